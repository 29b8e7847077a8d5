package definitions

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// Annotation is on the definitions that were created here, with what tells one version of ours from another. A definition without it is
// somebody else's.
const Annotation = "portcullis.dev/definition"

// manager is who the API server takes us for.
const manager = "portcullis-definitions"

// retry is after how long what could not be written is tried again.
const retry = 10 * time.Second

// Installer creates the definitions that are missing. It never changes one that it has not created, nor one of which somebody else has
// taken over a field: Gatekeeper's own may be installed before, meanwhile or later.
type Installer struct {
	// Client needs get, create and patch for the definitions with these Names.
	Client dynamic.Interface
	// Labels are those of the definitions; may be nil.
	Labels map[string]string
	Log    *slog.Logger
}

// Run creates what is missing, and returns nil when all is there or ctx ends. It must run on one server at a time.
func (i *Installer) Run(ctx context.Context) error {
	wanted, err := All()
	if err != nil {
		return err
	}
	ticker := time.NewTicker(retry)
	defer ticker.Stop()
	told := ""
	for {
		err := i.install(ctx, wanted)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if err.Error() != told {
			told = err.Error()
			i.Log.Error("Gatekeeper's kinds are not all there; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (i *Installer) install(ctx context.Context, wanted []*apiextensionsv1.CustomResourceDefinition) error {
	var errs []error
	for _, crd := range wanted {
		if err := i.ensure(ctx, crd.DeepCopy()); err != nil {
			errs = append(errs, fmt.Errorf("CustomResourceDefinition %s: %w", crd.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (i *Installer) ensure(ctx context.Context, crd *apiextensionsv1.CustomResourceDefinition) error {
	spec, err := json.Marshal(crd.Spec)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(spec)
	version := hex.EncodeToString(sum[:8])
	at := i.Client.Resource(schema.GroupVersionResource{Group: apiextensionsv1.GroupName, Version: "v1", Resource: "customresourcedefinitions"})
	live, err := at.Get(ctx, crd.Name, metav1.GetOptions{})
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return err
	}
	if !missing {
		if mine, ok := live.GetAnnotations()[Annotation]; !ok || mine == version {
			return nil
		}
	}
	crd.Labels, crd.Annotations = i.Labels, map[string]string{Annotation: version}
	body, err := applied(crd)
	if err != nil {
		return err
	}
	// Without force: what somebody else has written of it meanwhile is theirs.
	_, err = at.Patch(ctx, crd.Name, types.ApplyPatchType, body, metav1.PatchOptions{FieldManager: manager})
	switch {
	case apierrors.IsConflict(err):
		i.Log.Info("a definition of Gatekeeper's kinds is somebody else's now, and left alone", "definition", crd.Name)
		return nil
	case err != nil:
		return err
	case missing:
		i.Log.Info("a kind of Gatekeeper's was missing, and is defined now", "definition", crd.Name)
	}
	return nil
}

// applied is the definition as it is applied: without its status, which is the API server's.
func applied(crd *apiextensionsv1.CustomResourceDefinition) ([]byte, error) {
	text, err := json.Marshal(crd)
	if err != nil {
		return nil, err
	}
	var content map[string]any
	if err := json.Unmarshal(text, &content); err != nil {
		return nil, err
	}
	delete(content, "status")
	metadata, _ := content["metadata"].(map[string]any)
	delete(metadata, "creationTimestamp")
	return json.Marshal(content)
}
