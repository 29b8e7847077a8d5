package replay

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/test/props"
)

// records is how many BenchmarkReplay replays at once.
const records = 100_000

// BenchmarkReplay replays 100,000 records of Pods, all different, against the restricted Pod Security level and the usual good practices, as
// "make bench-replay" does: from a decision log, and from the audit log of the same requests. Beside the seconds it reports those of the
// processors, the records a second, and the most memory.
func BenchmarkReplay(b *testing.B) {
	binary := props.ServerT(b, filepath.Join("..", ".."))
	for name, line := range map[string]func(int) string{"decisions": decisionLine, "audit": auditLine} {
		b.Run(name, func(b *testing.B) {
			log := filepath.Join(b.TempDir(), name+".log")
			size := written(b, log, line)
			for b.Loop() {
				begun := time.Now()
				var stderr bytes.Buffer
				cmd := exec.CommandContext(b.Context(), binary, "replay", log, "--policies=library:pss-restricted", "--policies=library:best-practice", "-o=json")
				cmd.Stderr = &stderr
				exit := (*exec.ExitError)(nil)
				if err := cmd.Run(); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 2 && exit.ExitCode() != 4) {
					b.Fatalf("%v: %s", err, stderr.String())
				}
				took := time.Since(begun).Seconds()
				b.ReportMetric(took, "s")
				b.ReportMetric((cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), "cpu-s")
				b.ReportMetric(records/took, "records/s")
				if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
					b.ReportMetric(float64(usage.Maxrss)/1024, "MiB")
				}
			}
			b.ReportMetric(float64(size)/records, "B/record")
			b.Logf("%d processors", runtime.GOMAXPROCS(0))
		})
	}
}

func written(b *testing.B, path string, line func(int) string) (size int64) {
	b.Helper()
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	out := bufio.NewWriterSize(file, 1<<20)
	for i := range records {
		n, err := fmt.Fprintln(out, line(i))
		if size += int64(n); err != nil {
			b.Fatal(err)
		}
	}
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
	return size
}

// container is one of a Pod's, as the API server stores it.
func container(name string, i int) string {
	var env []string
	for n := range 12 {
		env = append(env, fmt.Sprintf(`{"name":"SETTING_%s_%d","value":"value-%d-%d"}`, strings.ToUpper(name), n, n, i))
	}
	return fmt.Sprintf(`{"name":%q,"image":"registry.example.com/shop/%s:1.%d@sha256:%064x","imagePullPolicy":"IfNotPresent","env":[%s],`+
		`"ports":[{"name":"http","containerPort":8080,"protocol":"TCP"},{"name":"metrics","containerPort":9090,"protocol":"TCP"}],`+
		`"resources":{"limits":{"cpu":"1","memory":"512Mi"},"requests":{"cpu":"100m","memory":"256Mi"}},`+
		`"livenessProbe":{"httpGet":{"path":"/healthz","port":"http","scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3},`+
		`"readinessProbe":{"httpGet":{"path":"/readyz","port":"http","scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3},`+
		`"securityContext":{"allowPrivilegeEscalation":false,"readOnlyRootFilesystem":true,"runAsNonRoot":true,"capabilities":{"drop":["ALL"]}},`+
		`"volumeMounts":[{"name":"tmp","mountPath":"/tmp"},{"name":"config","mountPath":"/etc/app","readOnly":true}],`+
		`"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}`, name, name, i%100, i, strings.Join(env, ","))
}

// pod is one that passes; every hundredth is privileged.
func pod(i int) string {
	app := container("app", i)
	if i%100 == 0 {
		app = strings.Replace(app, `"allowPrivilegeEscalation":false`, `"allowPrivilegeEscalation":true,"privileged":true`, 1)
	}
	var managed []string
	for n := range 40 {
		managed = append(managed, fmt.Sprintf(`"f:field-%d":{".":{},"f:name":{},"f:value":{}}`, n))
	}
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"app-%d","namespace":"shop-%d","uid":"00000000-0000-4000-8000-%012d","creationTimestamp":"2026-01-02T03:04:05Z",`+
		`"labels":{"app.kubernetes.io/name":"app","pod-template-hash":"%x","team":"payments"},"annotations":{"prometheus.io/scrape":"true"},`+
		`"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"app","uid":"u","controller":true,"blockOwnerDeletion":true}],`+
		`"managedFields":[{"manager":"kube-controller-manager","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{%s}}}]},`+
		`"spec":{"containers":[%s,%s,%s],"volumes":[{"name":"tmp","emptyDir":{}},{"name":"config","configMap":{"name":"config","defaultMode":420}}],`+
		`"securityContext":{"runAsNonRoot":true,"runAsUser":1000,"seccompProfile":{"type":"RuntimeDefault"}},"serviceAccountName":"app","automountServiceAccountToken":false,`+
		`"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","schedulerName":"default-scheduler","priority":0,"enableServiceLinks":true},`+
		`"status":{"phase":"Pending","qosClass":"Burstable"}}`, i, i%50, i, i, strings.Join(managed, ","), app, container("proxy", i), container("shipper", i))
}

const user = `{"username":"system:serviceaccount:kube-system:replicaset-controller","uid":"1","groups":["system:serviceaccounts","system:authenticated"]}`

func decisionLine(i int) string {
	return fmt.Sprintf(`{"decision_id":"u-%d","timestamp":"2026-01-02T03:04:05Z","revision":"0123456789ab","path":"validate","input":{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview",`+
		`"request":{"uid":"u-%d","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"name":"app-%d","namespace":"shop-%d",`+
		`"operation":"CREATE","userInfo":%s,"object":%s,"oldObject":null,"dryRun":false,"options":{"kind":"CreateOptions","apiVersion":"meta.k8s.io/v1"}}},`+
		`"result":{"verdict":"allow"},"metrics":{"timer_server_handler_ns":1000000}}`, i, i, i, i%50, user, pod(i))
}

func auditLine(i int) string {
	object := pod(i)
	return fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"a-%d","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/shop-%d/pods",`+
		`"verb":"create","user":%s,"objectRef":{"resource":"pods","namespace":"shop-%d","name":"app-%d","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":201},`+
		`"requestObject":%s,"responseObject":%s,"requestReceivedTimestamp":"2026-01-02T03:04:05.000000Z","stageTimestamp":"2026-01-02T03:04:05.000000Z"}`,
		i, i%50, user, i%50, i, object, object)
}
