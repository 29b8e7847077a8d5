package cmd

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/portcullis-dev/portcullis/audit/replay"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/webhook/registration"
)

// replayLogs are the logs to read, and their size on disk as far as it is known. One that is not there is known now, not after the others.
func replayLogs(files []string, stdin io.Reader) (logs []replay.Source, size int64, err error) {
	for _, name := range files {
		if name == "-" {
			logs = append(logs, replay.Source{Name: stdinName, Open: func() (io.ReadCloser, error) { return io.NopCloser(stdin), nil }})
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, 0, err
		}
		if info.IsDir() {
			return nil, 0, fmt.Errorf("%s is a directory; name the logs in it", name)
		}
		size += info.Size()
		logs = append(logs, replay.Source{Name: name, Open: func() (io.ReadCloser, error) { return os.Open(name) }})
	}
	return logs, size, nil
}

// ourWebhook reports whether a webhook is one of ours, as they are registered or, for those whom the API server was told of by file, named.
func ourWebhook(name string) bool {
	return name == registration.Group || strings.HasSuffix(name, "."+registration.Group)
}

// sparedOf reports of which requests the API server never asks, as the webhooks are registered.
func sparedOf(exempt []string) func(*review.Request) bool {
	namespaces := append([]string{defaultNamespace, "kube-system", "kube-public", "kube-node-lease"}, exempt...)
	return func(req *review.Request) bool {
		t := req.Target
		node := slices.Contains(req.User.Groups, "system:nodes")
		switch {
		case slices.Contains(namespaces, t.Inside()), req.User.Username == "system:apiserver":
			return true
		case node && (req.Verb != "create" || t.Group != "" || t.Resource != "pods" || t.Subresource != ""):
			return true
		}
		resource := registration.Resource{Group: t.Group, Resource: t.Resource, Subresource: t.Subresource}
		return len(registration.Spared(registration.Interest{Resources: []registration.Resource{resource}})) > 0
	}
}

// kindOfResource knows the kinds of the built-in resources.
func kindOfResource() func(group, version, resource string) string {
	known := map[schema.GroupResource]string{}
	for gvk := range scheme.Scheme.AllKnownTypes() {
		if !strings.HasSuffix(gvk.Kind, "List") && !strings.HasSuffix(gvk.Kind, "Options") {
			known[registration.GuessPlural(gvk.GroupKind())] = gvk.Kind
		}
	}
	return func(group, _, resource string) string {
		return known[schema.GroupResource{Group: group, Resource: resource}]
	}
}
