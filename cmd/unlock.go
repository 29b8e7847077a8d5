package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/webhook/registration"
)

func newUnlock() *cobra.Command {
	var flags clusterFlags
	var period, dwell time.Duration
	var reason string
	var ignoreNotFound bool
	cmd := &cobra.Command{
		Use:   "unlock --for 1h --reason TEXT",
		Short: "Takes Portcullis out of the way of admission for a while",
		Long: `Takes the admission webhooks of a release out of the API server's way until the time is over, for when nothing else helps. It needs
nothing but the API server, and a user who may change webhook configurations; no Portcullis need run. Who unlocks, why and until when
stands in the annotations of the configurations and in an event. A Portcullis that runs puts the webhooks back when the time is over.`,
		Example: `  portcullis unlock --for 1h --reason "the registry is down, INC-1234"
  portcullis lock`,
		Args: noArguments("--reason"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if period <= 0 || reason == "" {
				return errors.New("--for and --reason are needed: for how long, at most 24h, and why, which is kept in the cluster")
			}
			err := flags.unlock(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), period, reason)
			if ignoreNotFound && errors.Is(err, registration.ErrNotRegistered) {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "nothing is registered")
				return err
			}
			if err == nil {
				err = pause(cmd.Context(), dwell)
			}
			return err
		},
	}
	flags.register(cmd.Flags())
	cmd.Flags().DurationVar(&period, "for", 0, "how `LONG`, as 30m or 2h, at most 24h")
	cmd.Flags().StringVar(&reason, "reason", "", "`TEXT` that says why")
	cmd.Flags().DurationVar(&dwell, "dwell", 0, "how `LONG` to wait afterwards, as 10s, so that every API server has heard of it when the command ends")
	cmd.Flags().BoolVar(&ignoreNotFound, "ignore-not-found", false, "succeed if there is no webhook configuration of that name")
	return cmd
}

// pause waits, or returns the error of a ctx that ends before.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func newLock() *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:     "lock",
		Short:   "Ends what unlock began, before its time",
		Long:    "Ends what unlock began, before its time: the Portcullis that is running, or the next to run, registers its webhooks again.",
		Example: "  portcullis lock",
		Args:    noArguments("--name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.lock(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags.register(cmd.Flags())
	return cmd
}

func (c *clusterFlags) unlock(ctx context.Context, stdout, stderr io.Writer, period time.Duration, reason string) error {
	e, err := c.emergency(ctx)
	if err != nil {
		return err
	}
	u, err := registration.Unlock(ctx, e.dynamic, c.name, period, reason, e.who, time.Now())
	if err != nil {
		return err
	}
	until := u.Until.Format(time.RFC3339)
	e.tell(ctx, stderr, corev1.EventTypeWarning, "Unlocked", "Unlock", fmt.Sprintf("%s took the admission webhooks away until %s: %s", e.who, until, reason))
	_, err = fmt.Fprintf(stdout, "unlocked until %s by %s: %s\nportcullis lock ends it earlier\n", until, e.who, reason)
	return err
}

func (c *clusterFlags) lock(ctx context.Context, stdout, stderr io.Writer) error {
	e, err := c.emergency(ctx)
	if err != nil {
		return err
	}
	if err := registration.Lock(ctx, e.dynamic, c.name); err != nil {
		return err
	}
	e.tell(ctx, stderr, corev1.EventTypeNormal, "Locked", "Lock", e.who+" ended what unlock began")
	_, err = fmt.Fprintf(stdout, "locked by %s; the webhooks are back when a Portcullis has registered them\n", e.who)
	return err
}

// emergency is what unlock and lock work with.
type emergency struct {
	dynamic dynamic.Interface
	client  kubernetes.Interface
	release string
	who     string
}

func (c *clusterFlags) emergency(ctx context.Context) (emergency, error) {
	config, err := c.config()
	if err != nil {
		return emergency{}, err
	}
	var e emergency
	if e.client, err = kubernetes.NewForConfig(config); err != nil {
		return e, fmt.Errorf("--kubeconfig: %w", err)
	}
	if e.dynamic, err = dynamic.NewForConfig(config); err != nil {
		return e, fmt.Errorf("--kubeconfig: %w", err)
	}
	// Who may not look, and may change the configurations by name, must not be kept from it.
	if found, err := findReleases(ctx, e.client); err == nil {
		if err := c.findName(found); err != nil {
			return e, err
		}
	}
	e.release = c.name
	self, err := e.client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return e, fmt.Errorf("ask the API server who you are: %w", err)
	}
	e.who = self.Status.UserInfo.Username
	return e, nil
}

// maxInstance is what the API server lets the reportingInstance of an Event be.
const maxInstance = 128

// tell leaves an event, if it can: in an emergency that must stop nobody.
func (e emergency) tell(ctx context.Context, stderr io.Writer, kind, reason, action, note string) {
	_, err := e.client.EventsV1().Events(metav1.NamespaceDefault).Create(ctx, &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{GenerateName: e.release + "-"},
		Regarding: corev1.ObjectReference{
			APIVersion: admissionregistrationv1.SchemeGroupVersion.String(), Kind: "ValidatingWebhookConfiguration", Name: e.release,
		},
		Type: kind, Reason: reason, Action: action, Note: review.Sentence(note, maxNote), EventTime: metav1.NowMicro(),
		ReportingController: "portcullis.dev/portcullis-unlock", ReportingInstance: review.Sentence(e.who, maxInstance),
	}, metav1.CreateOptions{})
	if err != nil {
		fmt.Fprintf(stderr, "no event tells of it: %v\n", err)
	}
}
