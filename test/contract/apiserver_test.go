package contract

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"sync"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	appsv1beta1 "k8s.io/api/apps/v1beta1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	webhookinit "k8s.io/apiserver/pkg/admission/plugin/webhook/initializer"
	mutatingplugin "k8s.io/apiserver/pkg/admission/plugin/webhook/mutating"
	validatingplugin "k8s.io/apiserver/pkg/admission/plugin/webhook/validating"
	auditapi "k8s.io/apiserver/pkg/apis/audit"
	"k8s.io/apiserver/pkg/audit"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/names"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
)

// apiserver is the part of an API server that admits requests: its chain of the two webhook plugins, with its reinvocation, its
// audit annotations and its warnings. A fake client with informers takes the place of its storage.
type apiserver struct {
	chain   admission.Interface
	client  *fake.Clientset
	objects admission.ObjectInterfaces
	version int // of the webhook's configuration, see register
}

// hooks are what is registered with it.
type hooks struct {
	mutating   []admissionregistrationv1.MutatingWebhook
	validating []admissionregistrationv1.ValidatingWebhook
	namespaces []*corev1.Namespace // beside "shop"
}

// resolver takes the place of Services and cluster DNS: host and port by namespace/name.
type resolver map[string]string

func (r resolver) ResolveEndpoint(namespace, name string, _ int32) (*url.URL, error) {
	host, ok := r[namespace+"/"+name]
	if !ok {
		return nil, fmt.Errorf("there is no service %s/%s", namespace, name)
	}
	return &url.URL{Scheme: "https", Host: host}, nil
}

func newAPIServer(t testing.TB, s *server, h hooks) *apiserver {
	t.Helper()
	objects := []runtime.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "shop", Labels: map[string]string{corev1.LabelMetadataName: "shop"},
	}}}
	for _, ns := range h.namespaces {
		objects = append(objects, ns)
	}
	if len(h.mutating) > 0 {
		objects = append(objects, &admissionregistrationv1.MutatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: "portcullis"}, Webhooks: h.mutating,
		})
	}
	if len(h.validating) > 0 {
		objects = append(objects, &admissionregistrationv1.ValidatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: "portcullis"}, Webhooks: h.validating,
		})
	}
	a := &apiserver{client: fake.NewClientset(objects...), objects: objectInterfaces()}
	factory := informers.NewSharedInformerFactory(a.client, 0)
	plugins := admission.NewPlugins()
	mutatingplugin.Register(plugins)
	validatingplugin.Register(plugins)
	stop := make(chan struct{})
	chain, err := plugins.NewFromPlugins(
		[]string{mutatingplugin.PluginName, validatingplugin.PluginName}, noConfiguration{},
		admission.PluginInitializers{
			initializer.New(a.client, nil, factory, nil, utilfeature.DefaultFeatureGate, nil, stop, nil),
			webhookinit.NewPluginInitializer(nil, resolver{serviceNamespace + "/" + serviceName: s.address}),
		}, nil)
	must(t, err)
	a.chain = admission.WithAudit(chain)
	factory.Start(stop)
	factory.WaitForCacheSync(stop)
	t.Cleanup(func() {
		close(stop)
		factory.Shutdown()
	})
	return a
}

// noConfiguration is an API server started without --admission-control-config-file.
type noConfiguration struct{}

func (noConfiguration) ConfigFor(string) (io.Reader, error) { return nil, nil }

// call is one request of a user, past authentication, authorization and decoding.
type call struct {
	operation   admission.Operation
	resource    schema.GroupVersionResource
	subresource string
	kind        schema.GroupVersionKind // that of the object, unless it is given
	namespace   string
	name        string
	object, old runtime.Object
	options     runtime.Object
	dryRun      bool
	user        user.Info // jane, unless it is given
}

// outcome is what the user and the auditor get to see.
type outcome struct {
	err         error
	object      runtime.Object // as it would be stored
	warnings    []string
	annotations map[string]string
}

// refusal is the sentence the user reads, empty when the request was admitted.
func (o outcome) refusal() string {
	if o.err == nil {
		return ""
	}
	return o.err.Error()
}

// code is the HTTP status of the API server's answer to the user.
func (o outcome) code() int32 {
	if status, ok := errors.AsType[*apierrors.StatusError](o.err); ok {
		return status.ErrStatus.Code
	}
	return 0
}

// send takes the request through admission as the handlers of the API server's endpoints do, with the functions they hand to
// storage. object is changed in place.
func (a *apiserver) send(t testing.TB, c call) (out outcome) {
	t.Helper()
	ctx, cancel := context.WithTimeout(audit.WithAuditContext(t.Context()), 34*time.Second)
	defer cancel()
	must(t, audit.AuditContextFrom(ctx).Init(audit.RequestAuditConfig{Level: auditapi.LevelRequestResponse}, nil))
	recorder := &warnings{}
	ctx = warning.WithWarningRecorder(ctx, recorder)
	if c.user == nil {
		c.user = &user.DefaultInfo{Name: "jane", UID: "u-1", Groups: []string{"dev", "system:authenticated"}, Extra: map[string][]string{"example.com/session": {"7"}}}
	}
	if object := c.object; c.kind.Empty() {
		if object == nil {
			object = c.old
		}
		c.kind = object.GetObjectKind().GroupVersionKind()
	}
	out.err = a.admit(ctx, c)
	out.object = c.object
	out.warnings = recorder.taken()
	out.annotations = audit.AuditContextFrom(ctx).GetEventAnnotations()
	return out
}

func (a *apiserver) admit(ctx context.Context, c call) error {
	attributes := func(object, old runtime.Object) admission.Attributes {
		return admission.NewAttributesRecord(object, old, c.kind, c.namespace, c.name, c.resource, c.subresource, c.operation, c.options, c.dryRun, c.user)
	}
	mutator, validator := a.chain.(admission.MutationInterface), a.chain.(admission.ValidationInterface)
	switch c.operation {
	case admission.Delete:
		return rest.AdmissionToValidateObjectDeleteFunc(a.chain, attributes(nil, nil), a.objects)(ctx, c.old)
	case admission.Connect:
		if err := mutator.Admit(ctx, attributes(c.object, nil), a.objects); err != nil {
			return err
		}
		return validator.Validate(ctx, attributes(c.object, nil), a.objects)
	case admission.Update:
		if err := mutator.Admit(ctx, attributes(c.object, c.old), a.objects); err != nil {
			return err
		}
		return rest.AdmissionToValidateObjectUpdateFunc(a.chain, attributes(nil, nil), a.objects)(ctx, c.object, c.old)
	default:
		if err := mutator.Admit(ctx, attributes(c.object, nil), a.objects); err != nil {
			return err
		}
		if object, err := meta.Accessor(c.object); err == nil && object.GetName() == "" { // storage does this in between
			object.SetName(names.SimpleNameGenerator.GenerateName(object.GetGenerateName()))
		}
		return rest.AdmissionToValidateObjectFunc(a.chain, attributes(nil, nil), a.objects)(ctx, c.object)
	}
}

// warnings takes the place of the filter that makes headers of warnings.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

func (w *warnings) AddWarning(_, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}

func (w *warnings) taken() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.texts
}

// objectInterfaces are an API server's scheme. Its internal types, defaults and conversions are not public: the newest external type
// stands for the internal one, a conversion copies the fields both versions have, and of the defaults there are those a test asks for.
func objectInterfaces() admission.ObjectInterfaces {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientscheme.AddToScheme, addConversions} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	scheme.AddTypeDefaultingFunc(&corev1.Pod{}, func(object any) {
		spec := &object.(*corev1.Pod).Spec
		if spec.RestartPolicy == "" {
			spec.RestartPolicy = corev1.RestartPolicyAlways
		}
		for i := range spec.Containers {
			if spec.Containers[i].TerminationMessagePath == "" {
				spec.Containers[i].TerminationMessagePath = corev1.TerminationMessagePathDefault
			}
		}
	})
	equivalent := runtime.NewEquivalentResourceRegistry()
	for _, version := range []string{"v1beta1", "v1"} {
		deployments := schema.GroupVersionResource{Group: "apps", Version: version, Resource: "deployments"}
		equivalent.RegisterKindFor(deployments, "", deployments.GroupVersion().WithKind("Deployment"))
		scale := autoscalingv1.SchemeGroupVersion.WithKind("Scale")
		if version == "v1beta1" {
			scale = appsv1beta1.SchemeGroupVersion.WithKind("Scale")
		}
		equivalent.RegisterKindFor(deployments, "scale", scale)
		widgets := schema.GroupVersionResource{Group: "example.com", Version: version, Resource: "widgets"}
		equivalent.RegisterKindFor(widgets, "", widgets.GroupVersion().WithKind("Widget"))
		equivalent.RegisterKindFor(widgets, "scale", autoscalingv1.SchemeGroupVersion.WithKind("Scale"))
	}
	return &admission.RuntimeObjectInterfaces{
		ObjectCreater: scheme, ObjectTyper: scheme, ObjectDefaulter: scheme, ObjectConvertor: scheme, EquivalentResourceMapper: equivalent,
	}
}

func addConversions(scheme *runtime.Scheme) error {
	for _, pair := range [][2]runtime.Object{
		{&corev1.Pod{}, &corev1.Pod{}},
		{&corev1.Secret{}, &corev1.Secret{}},
		{&corev1.ConfigMap{}, &corev1.ConfigMap{}},
		{&corev1.Namespace{}, &corev1.Namespace{}},
		{&appsv1.Deployment{}, &appsv1.Deployment{}},
		{&appsv1.Deployment{}, &appsv1beta1.Deployment{}},
		{&appsv1beta1.Deployment{}, &appsv1.Deployment{}},
		{&autoscalingv1.Scale{}, &autoscalingv1.Scale{}},
		{&autoscalingv1.Scale{}, &appsv1beta1.Scale{}},
		{&appsv1beta1.Scale{}, &autoscalingv1.Scale{}},
	} {
		if err := scheme.AddConversionFunc(pair[0], pair[1], copyFields); err != nil {
			return err
		}
	}
	return nil
}

func copyFields(from, to any, _ conversion.Scope) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	object := to.(runtime.Object)
	kind := object.GetObjectKind().GroupVersionKind()
	reflect.ValueOf(to).Elem().SetZero()
	err = json.Unmarshal(text, to)
	object.GetObjectKind().SetGroupVersionKind(kind)
	return err
}
