package cmd

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

func servedList(version, name, kind string) *metav1.APIResourceList {
	return &metav1.APIResourceList{GroupVersion: version, APIResources: []metav1.APIResource{{Name: name, Kind: kind}}}
}

func TestServedKinds(t *testing.T) {
	var log bytes.Buffer
	changed := make(chan struct{}, 1)
	answers := make(chan []*metav1.APIResourceList)
	s := &servedKinds{
		ask:     func(context.Context) ([]*metav1.APIResourceList, error) { return <-answers, nil },
		changed: func() { changed <- struct{}{} }, log: slog.New(slog.NewTextHandler(&log, nil)), wanted: make(chan struct{}, 1),
	}
	widget := []schema.GroupKind{{Group: "example.com", Kind: "Widget"}}
	look := func() int {
		resolve, tell := s.resolve()
		defer tell()
		return len(resolve(widget)) + len(resolve(widget))
	}
	if s.known() {
		t.Error("known before it was asked")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { s.run(ctx); close(ended) }()
	answers <- nil
	<-changed
	if !s.known() || look() != 0 || look() != 0 {
		t.Error("a cluster that serves nothing")
	}
	cancel()
	<-ended
	const note = `msg="policies name kinds that the cluster does not serve; it is asked about them once it does" kinds=example.com/Widget`
	if got := strings.Count(log.String(), note); got != 1 {
		t.Errorf("told %d times:\n%s", got, log.String())
	}
	if !s.learn([]*metav1.APIResourceList{servedList("example.com/v1", "widgets", "Widget"), servedList("v1", "pods", "Pod")}, nil) || look() != 2 {
		t.Error("the kind has come")
	}
	if s.learn([]*metav1.APIResourceList{servedList("v1", "pods", "Pod"), servedList("example.com/v1", "widgets", "Widget")}, nil) {
		t.Error("another order is no change")
	}
	// What cannot be told now was told before.
	if s.learn(nil, errors.New("away")) || look() != 2 {
		t.Error("the cluster was away")
	}
	away := &discovery.ErrGroupDiscoveryFailed{Groups: map[schema.GroupVersion]error{{Group: "example.com", Version: "v1"}: errors.New("away")}}
	if s.learn([]*metav1.APIResourceList{servedList("v1", "pods", "Pod")}, away) || look() != 2 {
		t.Error("the group was away")
	}
	if !s.learn([]*metav1.APIResourceList{servedList("v1", "pods", "Pod")}, nil) || look() != 0 {
		t.Error("the kind has gone")
	}
}
