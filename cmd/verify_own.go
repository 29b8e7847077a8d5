package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/suite"
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/review"
)

// newSuiteRunner gives the runner of suites what those of our format need: they are judged as review judges manifests.
func newSuiteRunner(filter suite.Filter) (*suite.Runner, error) {
	reader, err := NewReader()
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex // the reader is for one at a time
	return &suite.Runner{
		Filter: filter,
		Load: func(ctx context.Context, paths []string) (policies.Bundle, error) {
			mu.Lock()
			defer mu.Unlock()
			from, err := (&policyFlags{from: paths}).source(reader)
			if err != nil {
				return policies.Bundle{}, err
			}
			bundle, err := from.Load(ctx)
			bundle.Notes = notes(bundle.Notes, bundle.Documents)
			return bundle, err
		},
		Frame:   frame,
		Cluster: clusterOf,
		Beside: func(ctx context.Context, docs []policies.Document, known policies.Namespaces) ([]policies.Option, func(*policies.Set) review.Reviewer, error) {
			all, err := compile(ctx, policies.Bundle{Documents: docs}, surroundings{namespaces: known})
			if err != nil {
				return nil, nil, err
			}
			return all.options, func(set *policies.Set) review.Reviewer { return all.theirs.chain(set) }, nil
		},
	}, nil
}

// frame puts a manifest into the review that the API server would send.
func frame(object documents.Document, old *documents.Document, by suite.Asker) ([]byte, error) {
	if by.User.Username == "" && (len(by.User.Groups) > 0 || by.User.UID != "" || by.User.Extra != nil) {
		return nil, errors.New("user has no username")
	}
	flags := reviewFlags{user: by.User.Username, groups: by.User.Groups, namespace: "default", operation: by.Operation}
	if flags.user == "" {
		flags.user = "kubernetes-admin"
	}
	if flags.operation == "" {
		flags.operation = "CREATE"
	}
	s, err := subjectIn(object)
	if err != nil {
		return nil, err
	}
	if s.head.isReview() {
		if old != nil || by.Operation != "" || by.User.Username != "" {
			return nil, fmt.Errorf("user, operation and oldObject are for manifests, and %s is of kind %s, which says such things itself", s.at(), s.head.Kind)
		}
		return s.text, nil
	}
	if !slices.Contains([]string{"CREATE", "UPDATE", "DELETE"}, flags.operation) {
		return nil, fmt.Errorf("operation %q is none of CREATE, UPDATE and DELETE", flags.operation)
	}
	var before *subject
	if old != nil {
		if flags.operation != "UPDATE" {
			return nil, errors.New("oldObject goes with operation: UPDATE")
		}
		found, err := subjectIn(*old)
		if err != nil {
			return nil, err
		}
		flags.oldObject, before = found.at(), &found
	}
	if err := flags.ask(&s, before); err != nil {
		return nil, errors.New(strings.TrimPrefix(strings.Replace(err.Error(), "--old-object", "oldObject", 1), s.at()+": "))
	}
	return identified(s.body, by.User)
}

// identified is the review with what there is to know of its user beside name and groups.
func identified(body []byte, user suite.User) ([]byte, error) {
	if user.UID == "" && user.Extra == nil {
		return body, nil
	}
	var content struct {
		APIVersion string                     `json:"apiVersion"`
		Kind       string                     `json:"kind"`
		Request    map[string]json.RawMessage `json:"request"`
	}
	if err := json.Unmarshal(body, &content); err != nil {
		return nil, err
	}
	var known suite.User
	if err := json.Unmarshal(content.Request["userInfo"], &known); err != nil {
		return nil, err
	}
	known.UID, known.Extra = user.UID, user.Extra
	var err error
	if content.Request["userInfo"], err = json.Marshal(known); err != nil {
		return nil, err
	}
	return json.Marshal(content)
}

// subjectIn is the one object that a document is.
func subjectIn(doc documents.Document) (subject, error) {
	found := subjectsOf(subject{file: doc.File, row: doc.Row, text: doc.JSON})
	if len(found) != 1 {
		return subject{}, fmt.Errorf("%s: a case is about one object, and this is a list of %d", doc.At(), len(found))
	}
	return found[0], found[0].err
}

// clusterOf is what policies see of a cluster in which some objects lie.
func clusterOf(needs map[inventory.Kind]*inventory.Need, docs []documents.Document) (*inventory.Snapshot, policies.Namespaces, error) {
	var subjects []subject
	for _, doc := range docs {
		found := subjectsOf(subject{file: doc.File, row: doc.Row, text: doc.JSON})
		for _, s := range found {
			if s.err != nil {
				return nil, nil, s.err
			}
		}
		subjects = append(subjects, found...)
	}
	place := (&reviewFlags{namespace: "default"}).place
	var objects inventory.Store
	if err := fillInventory(&objects, needs, subjects, place); err != nil {
		return nil, nil, err
	}
	items, err := synced(subjects, place)
	if err != nil {
		return nil, nil, err
	}
	return objects.Snapshot().WithSynced(items...), namespacesAmong(subjects), nil
}
