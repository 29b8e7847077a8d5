package cmd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/native"
)

// policyAnnotation begins the annotations of Pods by which the chart puts policies of the library in force.
const policyAnnotation = "policies.portcullis.dev/"

// installed are the policies that the chart puts in force by itself, which are no objects: those of the library. It is a policies.Source.
type installed struct {
	reader     *native.Reader
	files      []native.File
	configMaps []string // the namespaces of the releases, in which labelled ConfigMaps are policies
}

// installed finds the releases of a cluster. What may not be looked at is trouble, and no reason not to judge by the rest.
func (o *onlooker) installed(ctx context.Context, client kubernetes.Interface, reader *native.Reader) *installed {
	out := &installed{reader: reader}
	list, err := client.AppsV1().Deployments(metav1.NamespaceAll).List(ctx, metav1.ListOptions{LabelSelector: productLabel + "=portcullis"})
	if err != nil {
		o.troubles = append(o.troubles, fmt.Sprintf("The Deployments of Portcullis cannot be listed, and with them the policies of the library that its chart "+
			"puts in force: %v. Name them with --policies library:NAME.", err))
		return out
	}
	for _, d := range list.Items {
		annotations := d.Spec.Template.Annotations
		for _, key := range slices.Sorted(maps.Keys(annotations)) {
			if name, ok := strings.CutPrefix(key, policyAnnotation); ok {
				file := native.File{Name: fmt.Sprintf("deployment/%s/%s/%s.yaml", d.Namespace, d.Name, name), Text: []byte(annotations[key])}
				out.files = append(out.files, file)
			}
		}
		if slices.Contains(out.configMaps, d.Namespace) {
			continue
		}
		if _, err := client.CoreV1().ConfigMaps(d.Namespace).List(ctx, metav1.ListOptions{Limit: 1}); err != nil {
			o.troubles = append(o.troubles, fmt.Sprintf("The ConfigMaps of namespace %s, of which some may be policies, cannot be listed: %v.", d.Namespace, err))
			continue
		}
		out.configMaps = append(out.configMaps, d.Namespace)
	}
	return out
}

// Run implements policies.Source.
func (r *installed) Run(ctx context.Context, yield func(policies.Bundle)) error {
	specs, faults := r.reader.Read(r.files)
	yield(policies.Bundle{Specs: specs, Faults: faults, Listed: true})
	<-ctx.Done()
	return nil
}
