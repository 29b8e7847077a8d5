package policies

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestAServerThatStartsWithAFaultyPolicyTakesTheEarlierVersion(t *testing.T) {
	engine, source := &Engine{}, make(feed)
	reports, _ := running(t, engine, source)
	bundle := listed(specOf(t, "a", "package a\ndeny contains nothing"), specOf(t, "b", "package b\ndeny contains \"b2\""))
	bundle.Faults = Faults{{File: "c.rego", Policy: "c", Err: errors.New("c.rego:1: not Rego")}}
	bundle.Earlier = []Spec{
		specOf(t, "a", "package a\ndeny contains \"a1\""), specOf(t, "b", "package b\ndeny contains \"b1\""),
		specOf(t, "c", "package c\ndeny contains \"c1\""), specOf(t, "d", "package d\ndeny contains \"d1\""),
	}
	source <- bundle
	load := <-reports
	if got := refusal(t, engine); got != "3 reasons:\n- a: a1\n- b: b2\n- c: c1" {
		t.Error(got)
	}
	if got := load.Faults.Error(); got != "c.rego:1: not Rego\na.rego:2: var nothing is unsafe" || strings.Join(load.Kept, " ") != "a c" {
		t.Errorf("faults: %s, kept %v", got, load.Kept)
	}
	// From then on it is one as any: what is brought later does not take its place, and when the policy is taken away it goes.
	source <- Bundle{Listed: true, Specs: bundle.Specs[:1], Earlier: []Spec{specOf(t, "a", "package a\ndeny contains \"a0\"")}}
	<-reports
	if got := refusal(t, engine); got != "a: a1" {
		t.Error(got)
	}
	source <- Bundle{Listed: true, Earlier: bundle.Earlier}
	if load = <-reports; refusal(t, engine) != "" || len(load.Kept) > 0 {
		t.Errorf("%s, kept %v", refusal(t, engine), load.Kept)
	}
}

func TestAnEarlierVersionIsJudgedAsAny(t *testing.T) {
	engine, source, reports := &Engine{}, make(feed), make(chan Load, 16)
	loader := &Loader{
		Engine: engine, Sources: []Source{source}, Report: func(l Load) { reports <- l },
		Gate: func(context.Context, *Policy) error { return errors.New("it is poison") },
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go loader.Run(ctx)
	bundle := listed(specOf(t, "a", "package a\ndeny contains nothing"), specOf(t, "b", "package b\ndeny contains nothing"))
	bundle.Earlier = []Spec{specOf(t, "a", "package a\ndeny contains \"a1\""), specOf(t, "b", "package b\ndeny contains anything")}
	source <- bundle
	load := <-reports
	if got := load.Faults.Error(); refusal(t, engine) != "" || got != "a.rego:2: var nothing is unsafe\nb.rego:2: var nothing is unsafe\n"+
		"the version before, which was kept, is faulty, too: b.rego:2: var anything is unsafe\nthe version before, which was kept, is faulty, too: it is poison" {
		t.Errorf("%s; %s", refusal(t, engine), got)
	}
}
