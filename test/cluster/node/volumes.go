package node

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// tokenSeconds is a day: a token outlives every test, so nothing renews it.
const tokenSeconds = 24 * 60 * 60

// volumes are a Pod's volumes as directories of the machine.
type volumes struct {
	pod *pod

	mu      sync.Mutex
	written map[string]map[string][]byte // what each volume holds, by its name
	tokens  map[string][]byte            // by audience
}

func newVolumes(p *pod) *volumes {
	return &volumes{pod: p, written: map[string]map[string][]byte{}, tokens: map[string][]byte{}}
}

func (v *volumes) dir(name string) string { return filepath.Join(v.pod.dir, "volumes", name) }

// refresh writes volumes again when what they are made of has changed. What cannot be had now is had later, and the old stays meanwhile.
func (v *volumes) refresh(ctx context.Context) {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = v.write(ctx)
		}
	}
}

// write makes the directories and their files.
func (v *volumes) write(ctx context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.pod.object.Spec.Volumes {
		volume := &v.pod.object.Spec.Volumes[i]
		files, err := v.contents(ctx, volume)
		if err != nil {
			return fmt.Errorf("volume %s: %w", volume.Name, err)
		}
		if before, ok := v.written[volume.Name]; ok && maps.EqualFunc(before, files, func(a, b []byte) bool { return string(a) == string(b) }) {
			continue
		}
		if err := writeFiles(v.dir(volume.Name), files); err != nil {
			return fmt.Errorf("volume %s: %w", volume.Name, err)
		}
		v.written[volume.Name] = files
	}
	return nil
}

// contents returns the files of a volume by their paths.
func (v *volumes) contents(ctx context.Context, volume *corev1.Volume) (map[string][]byte, error) {
	files := map[string][]byte{}
	s := volume.VolumeSource
	switch {
	case s.EmptyDir != nil:
		return files, nil
	case s.Secret != nil:
		return files, v.secret(ctx, files, s.Secret.SecretName, s.Secret.Items, s.Secret.Optional)
	case s.ConfigMap != nil:
		return files, v.configMap(ctx, files, s.ConfigMap.Name, s.ConfigMap.Items, s.ConfigMap.Optional)
	case s.DownwardAPI != nil:
		return files, v.downward(files, s.DownwardAPI.Items)
	case s.Projected == nil:
		return nil, fmt.Errorf("this node has no volumes of this kind")
	}
	for _, source := range s.Projected.Sources {
		var err error
		switch {
		case source.Secret != nil:
			err = v.secret(ctx, files, source.Secret.Name, source.Secret.Items, source.Secret.Optional)
		case source.ConfigMap != nil:
			err = v.configMap(ctx, files, source.ConfigMap.Name, source.ConfigMap.Items, source.ConfigMap.Optional)
		case source.DownwardAPI != nil:
			err = v.downward(files, source.DownwardAPI.Items)
		case source.ServiceAccountToken != nil:
			files[source.ServiceAccountToken.Path], err = v.token(ctx, source.ServiceAccountToken.Audience)
		default:
			err = fmt.Errorf("this node has no projected volumes of this kind")
		}
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

func (v *volumes) secret(ctx context.Context, files map[string][]byte, name string, items []corev1.KeyToPath, optional *bool) error {
	secret, err := v.pod.node.client.CoreV1().Secrets(v.pod.object.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) && optional != nil && *optional {
		return nil
	}
	if err != nil {
		return err
	}
	return choose(files, secret.Data, items, optional)
}

func (v *volumes) configMap(ctx context.Context, files map[string][]byte, name string, items []corev1.KeyToPath, optional *bool) error {
	config, err := v.pod.node.client.CoreV1().ConfigMaps(v.pod.object.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) && optional != nil && *optional {
		return nil
	}
	if err != nil {
		return err
	}
	data := maps.Clone(config.BinaryData)
	if data == nil {
		data = map[string][]byte{}
	}
	for key, value := range config.Data {
		data[key] = []byte(value)
	}
	return choose(files, data, items, optional)
}

// choose copies all keys, or those which items name.
func choose(files, data map[string][]byte, items []corev1.KeyToPath, optional *bool) error {
	if len(items) == 0 {
		maps.Copy(files, data)
		return nil
	}
	for _, item := range items {
		value, ok := data[item.Key]
		if !ok {
			if optional != nil && *optional {
				continue
			}
			return fmt.Errorf("there is no key %s", item.Key)
		}
		files[item.Path] = value
	}
	return nil
}

func (v *volumes) downward(files map[string][]byte, items []corev1.DownwardAPIVolumeFile) error {
	for _, item := range items {
		if item.FieldRef == nil {
			return fmt.Errorf("this node knows no resourceFieldRef")
		}
		value, err := v.pod.field(item.FieldRef.FieldPath)
		if err != nil {
			return err
		}
		files[item.Path] = []byte(value)
	}
	return nil
}

// token returns a token of the Pod's service account, bound to the Pod.
func (v *volumes) token(ctx context.Context, audience string) ([]byte, error) {
	if token, ok := v.tokens[audience]; ok {
		return token, nil
	}
	seconds, pod := int64(tokenSeconds), v.pod.object
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: &seconds,
		BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}
	if audience != "" {
		request.Spec.Audiences = []string{audience}
	}
	answer, err := v.pod.node.client.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, pod.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	v.tokens[audience] = []byte(answer.Status.Token)
	return v.tokens[audience], nil
}

// mounts are a container's mount paths and the directories that stand for them, the longest path first.
type mounts []mount

type mount struct{ path, dir string }

func (v *volumes) mounts(c *corev1.Container) mounts {
	var all mounts
	for _, m := range c.VolumeMounts {
		all = append(all, mount{path: strings.TrimRight(m.MountPath, "/"), dir: v.dir(m.Name)})
	}
	return all
}

// rewrite replaces each mount path in text by its directory, where it stands as a path and not as a part of another one's name.
func (m mounts) rewrite(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); {
		found := mount{}
		for _, candidate := range m {
			rest, ok := strings.CutPrefix(text[i:], candidate.path)
			if ok && (i == 0 || strings.IndexByte("=,: ", text[i-1]) >= 0) && (rest == "" || strings.IndexByte("/,: ", rest[0]) >= 0) &&
				len(candidate.path) > len(found.path) {
				found = candidate
			}
		}
		if found.path == "" {
			out.WriteByte(text[i])
			i++
			continue
		}
		out.WriteString(found.dir)
		i += len(found.path)
	}
	return out.String()
}

// writeFiles puts the files into the directory in one step, as a kubelet does: each is a link through ..data, and ..data is exchanged.
func writeFiles(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if len(files) == 0 {
		return nil
	}
	fresh, err := os.MkdirTemp(dir, "..")
	if err != nil {
		return err
	}
	for path, text := range files {
		if !filepath.IsLocal(path) {
			return fmt.Errorf("the path %q leads out of the volume", path)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(fresh, path)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(fresh, path), text, 0o600); err != nil {
			return err
		}
	}
	data := filepath.Join(dir, "..data")
	old, _ := os.Readlink(data)
	if err := os.Symlink(filepath.Base(fresh), data+"_tmp"); err != nil {
		return err
	}
	if err := os.Rename(data+"_tmp", data); err != nil {
		return err
	}
	for path := range files {
		first, _, _ := strings.Cut(path, "/")
		if err := os.Symlink(filepath.Join("..data", first), filepath.Join(dir, first)); err != nil && !os.IsExist(err) {
			return err
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries { // links to what is no longer there
		if _, err := os.Stat(filepath.Join(dir, e.Name())); os.IsNotExist(err) {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	if old != "" {
		return os.RemoveAll(filepath.Join(dir, old))
	}
	return nil
}
