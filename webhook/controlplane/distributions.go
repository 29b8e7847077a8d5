package controlplane

import (
	"strings"

	"sigs.k8s.io/yaml"
)

// Distributions returns what each way of making a cluster wants to be told for the API server to find the files: kube-apiserver's own
// flags, and what kubeadm, kind and k3s take. hostDir is where the files are on the machine; the API server must find them at o.Dir.
func Distributions(flags []Flag, hostDir, dir string) ([]File, error) {
	var plain strings.Builder
	var args []map[string]string
	var k3s []string
	for _, f := range flags {
		plain.WriteString("--" + f.Name + "=" + f.Value + "\n")
		value := f.Value
		if f.Name == "enable-admission-plugins" {
			value = "NodeRestriction," + value // what they give by default, and this replaces
		}
		args = append(args, map[string]string{"name": f.Name, "value": value})
		k3s = append(k3s, f.Name+"="+value)
	}
	volume := func(from string) map[string]any {
		return map[string]any{"name": "portcullis", "hostPath": from, "mountPath": dir, "readOnly": true, "pathType": "Directory"}
	}
	cluster := func(from string) map[string]any {
		return map[string]any{
			"apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "ClusterConfiguration",
			"apiServer": map[string]any{"extraArgs": args, "extraVolumes": []any{volume(from)}},
		}
	}
	patch, err := yaml.Marshal(cluster(dir)) // within kind's node the files are where the API server finds them
	if err != nil {
		return nil, err
	}
	files := []File{{"kube-apiserver.flags", []byte(plain.String())}}
	for _, f := range []struct {
		name  string
		value any
	}{
		{"kubeadm.yaml", cluster(hostDir)},
		{"kind.yaml", map[string]any{
			"apiVersion": "kind.x-k8s.io/v1alpha4", "kind": "Cluster",
			"nodes": []any{map[string]any{
				"role":                 "control-plane",
				"extraMounts":          []any{map[string]any{"hostPath": hostDir, "containerPath": dir, "readOnly": true}},
				"kubeadmConfigPatches": []string{string(patch)},
			}},
		}},
		{"k3s.yaml", map[string]any{"kube-apiserver-arg": k3s}},
	} {
		text, err := yaml.Marshal(f.value)
		if err != nil {
			return nil, err
		}
		files = append(files, File{f.name, text})
	}
	return files, nil
}
