package source

import (
	"log/slog"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/test/props"
)

// A server that is started while the API server is away has what was kept, and does not take it for what the cluster has.
func TestWhatWasKeptOfGatekeepersObjectsStandsIn(t *testing.T) {
	g, err := NewGatekeeper(&rest.Config{Host: "https://" + props.FreeAddressT(t)}, &gatekeeper.Reader{}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	g.Kept = &Kept{After: 50 * time.Millisecond, Files: []native.File{
		gatekeeperFile(object(t, aTemplate("Refuses", "one", ""))), gatekeeperFile(object(t, aConstraint("Refuses", "all", "{}"))),
	}}
	if err := g.Ready(); err == nil || err.Error() != "the cluster's objects of Gatekeeper's have not been listed yet" {
		t.Error(err)
	}
	expect(t, following(t, g), `refuses/all "one"`)
	if g.Ready() != nil || g.Live() || g.Keep() != nil {
		t.Error(g.Ready(), g.Live(), g.Keep())
	}
	if templates, known := g.accepted(); known {
		t.Errorf("CRDs would be made for %d templates", len(templates))
	}
}
