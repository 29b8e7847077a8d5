package node_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// serverWord makes this binary the webhook server of the tests.
const serverWord = "webhook-server"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == serverWord {
		if err := serve(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) > 1 && os.Args[1] == parentWord {
		parent()
	}
	os.Exit(m.Run())
}

// serve is a validating webhook that allows everything and says in a warning which Pod it is. It is ready when its service account
// can read the ConfigMap "greeting".
func serve(args []string) error {
	flags := flag.NewFlagSet(serverWord, flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "")
	listen := flags.String("listen", ":8443", "")
	certDir := flags.String("cert-dir", "", "")
	name := flags.String("name", "", "")
	crash := flags.Bool("crash", false, "")
	deaf := flags.Bool("deaf", false, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	fmt.Printf("%s starts, ENTRY=%s\n", *name, os.Getenv("ENTRY"))
	if *crash {
		return fmt.Errorf("%s crashes", *name)
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	client := kubernetes.NewForConfigOrDie(config)
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {
		_, err := client.CoreV1().ConfigMaps(os.Getenv("POD_NAMESPACE")).Get(r.Context(), "greeting", metav1.GetOptions{})
		if err != nil {
			fmt.Println(err)
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/validate", func(w http.ResponseWriter, r *http.Request) {
		var review admissionv1.AdmissionReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true, Warnings: []string{*name}}
		w.Header().Set("Connection", "close") // the next call chooses a Pod anew
		_ = json.NewEncoder(w).Encode(review)
	})
	server := &http.Server{Addr: *listen, Handler: mux}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		fmt.Println("SIGTERM")
		if !*deaf {
			_ = server.Shutdown(context.WithoutCancel(ctx))
		}
	}()
	err = server.ListenAndServeTLS(filepath.Join(*certDir, "tls.crt"), filepath.Join(*certDir, "tls.key"))
	if ctx.Err() != nil {
		return nil
	}
	return err
}
