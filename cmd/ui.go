package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/prometheus/client_golang/prometheus"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/portcullis-dev/portcullis/audit/web"
	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/webhook"
)

// show has pages served at a listener.
func (a *assembly) show(listener net.Listener) error {
	config := rest.CopyConfig(a.member.config)
	config.QPS, config.Burst = 50, 500 // somebody who may see some namespaces of many is asked about with each of them
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("the cluster: %w", err)
	}
	requests, err := newPageMetrics(a.metrics.Registry)
	if err != nil {
		return err
	}
	options := web.Options{
		Cluster: a.cluster.uiTitle(), Log: a.log, Health: a.health, Detail: a.detail, Decisions: a.recent, Why: a.why,
		Count: func(page string, status int) { requests.WithLabelValues(page, strconv.Itoa(status)).Inc() },
		Who: func(ctx context.Context, token string) (authenticationv1.UserInfo, bool, error) {
			asked := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
			answer, err := client.AuthenticationV1().TokenReviews().Create(ctx, asked, metav1.CreateOptions{})
			if err != nil {
				return authenticationv1.UserInfo{}, false, err
			}
			return answer.Status.User, answer.Status.Authenticated, nil
		},
		May: func(ctx context.Context, spec authorizationv1.SubjectAccessReviewSpec) (bool, error) {
			asked := &authorizationv1.SubjectAccessReview{Spec: spec}
			answer, err := client.AuthorizationV1().SubjectAccessReviews().Create(ctx, asked, metav1.CreateOptions{})
			if err != nil {
				return false, err
			}
			return answer.Status.Allowed && !answer.Status.Denied, nil
		},
	}
	if auditor := a.member.auditor; auditor != nil {
		options.Found, options.Changes = auditor.found, auditor.sweep.Changes
	}
	if a.member.replicas != nil {
		asks := &uiClient{source: a.who.source}
		options.Peers, options.Client = a.member.peers, asks.client
	}
	pages, err := web.New(options)
	if err != nil {
		return err
	}
	server, err := webhook.NewServer(webhook.Options{
		Listener: listener, Handler: pages, GetCertificate: a.who.source.GetCertificate, DisableHTTP2: !a.http2, Drain: -1, MaxConnections: 256,
		MaxConnectionsPerSource: 128, Log: a.log,
	})
	if err != nil {
		return err
	}
	a.log.Info("pages", "listen", listener.Addr().String())
	a.parts = append(a.parts, server.Run)
	return nil
}

// newPageMetrics counts what is asked of the pages.
func newPageMetrics(registry prometheus.Registerer) (*prometheus.CounterVec, error) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "portcullis_ui_requests_total", Help: "Pages that were asked for, by their address and the status of the answer.",
	}, []string{"page", "code"})
	return requests, registry.Register(requests)
}

// health is how the server fares at this moment.
func (a *assembly) health() web.Health {
	out := web.Health{Replica: a.cluster.replica, Version: "Portcullis " + strings.Fields(version())[0]}
	if a.who.notAfter != nil {
		out.Expires = a.who.notAfter()
	}
	for _, check := range a.checks {
		one := web.Check{Name: check.Name}
		if err := check.Check(); err != nil {
			one.Lack = err.Error()
		} else if check.Note != nil {
			one.Note = check.Note()
		}
		out.Checks = append(out.Checks, one)
	}
	if a.member.replicas == nil {
		return out
	}
	members, err := a.member.replicas.Members()
	if err != nil {
		out.Checks = append(out.Checks, web.Check{Name: "replicas", Lack: err.Error()})
	}
	for _, m := range members {
		out.Replicas = append(out.Replicas, web.Replica{Name: m.Name, Revision: m.Revision, Heard: strings.ReplaceAll(m.Heard, ",", ", ")})
	}
	return out
}

// detail is what there is to know of a policy in force.
func (a *assembly) detail(id string) (web.Detail, bool) {
	set := a.engine.Set()
	if set == nil {
		return web.Detail{}, false
	}
	for _, policy := range set.Policies() {
		spec := policy.Spec()
		if spec.ID != id {
			continue
		}
		out := web.Detail{Enforcement: string(spec.Enforcement), Match: matchWords(spec.Match), File: spec.File}
		if spec.Row > 0 {
			out.File += ":" + strconv.Itoa(spec.Row)
		}
		if spec.Parameters != nil {
			if value, err := ast.JSON(spec.Parameters); err == nil {
				if text, err := json.Marshal(value); err == nil {
					out.Parameters = string(text)
				}
			}
		}
		out.Source, out.Tests = webFiles(spec.Source), webFiles(spec.Tests)
		return out, true
	}
	return web.Detail{}, false
}

func webFiles(texts []policies.SourceText) (out []web.File) {
	for _, text := range texts {
		out = append(out, web.File{Name: text.File, Text: string(text.Text)})
	}
	return out
}

// matchWords says which resources or kinds a match is about.
func matchWords(m policies.Match) string {
	var out []string
	for _, r := range m.Resources {
		name := r.Resource
		switch {
		case r.Any:
			name = "everything"
		case name == "":
			name = "everything of " + r.Group
		case r.Group != "":
			name += "." + r.Group
		}
		if r.Subresource != "" {
			name += "/" + r.Subresource
		}
		out = append(out, name)
	}
	for _, k := range m.Kinds {
		out = append(out, strings.TrimSuffix(k.Kind+"."+k.Group, "."))
	}
	if len(out) == 0 {
		return "everything"
	}
	return strings.Join(out, ", ")
}

// uiTitle is what pages call the cluster: the release, as its replicas do.
func (f *memberFlags) uiTitle() string { return strings.TrimPrefix(f.namespace+"/"+f.name, "/") }
