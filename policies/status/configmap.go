package status

import (
	"encoding/json"
	"regexp"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portcullis-dev/portcullis/review"
)

// KubeMgmtStatus is the annotation that says what became of a ConfigMap with policies, as users of kube-mgmt know it: {"status":"ok"}, or
// {"status":"error","error":...} with what OPA would have answered.
const KubeMgmtStatus = "openpolicyagent.org/kube-mgmt-status"

// maxErrors bounds the annotation.
const maxErrors = 10

type kubeMgmtStatus struct {
	Status string         `json:"status"`
	Error  *kubeMgmtError `json:"error,omitempty"`
}

type kubeMgmtError struct {
	Code    string        `json:"code"`
	Message string        `json:"message"`
	Errors  []moduleError `json:"errors"`
}

type moduleError struct {
	Message  string    `json:"message"`
	Location *location `json:"location,omitempty"`
}

type location struct {
	File string `json:"file"`
	Row  int    `json:"row"`
}

// configMap is what to write at a ConfigMap.
func (w *Writer) configMap(page page, u *unstructured.Unstructured) (change, error) {
	wanted := kubeMgmtStatus{Status: "ok"}
	faults := page.faults(u)
	if len(faults) > 0 {
		wanted = kubeMgmtStatus{"error", &kubeMgmtError{"invalid_parameter", "error(s) occurred while compiling module(s)", moduleErrors(faults)}}
	}
	text, err := json.Marshal(wanted)
	if err != nil || u.GetAnnotations()[KubeMgmtStatus] == string(text) {
		return change{}, err
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": u.GetResourceVersion(), "annotations": map[string]any{KubeMgmtStatus: string(text)},
	}})
	out := change{body: body, as: types.MergePatchType}
	if len(faults) > 0 {
		out.told = &happening{ReasonFaulty, "Compile", page.fault(u)}
	}
	return out, err
}

func moduleErrors(faults []string) []moduleError {
	at := regexp.MustCompile(`^(configmap/[^:]+):(\d+): (.*)`)
	out := make([]moduleError, 0, min(len(faults), maxErrors))
	for _, fault := range faults[:min(len(faults), maxErrors)] {
		one := moduleError{Message: review.Sentence(fault, maxNote)}
		if found := at.FindStringSubmatch(fault); found != nil {
			row, _ := strconv.Atoi(found[2]) // digits; a row of more than an int is none
			one = moduleError{review.Sentence(found[3], maxNote), &location{found[1], row}}
		}
		out = append(out, one)
	}
	return out
}
