package main

import "fmt"

// managedFields returns what the API server notes of a Pod its creator owns every field of. It is a good third of a live object, and
// no policy reads it.
func managedFields(pod object) list {
	metadata := object{}
	for key, value := range pod["metadata"].(object) {
		switch key {
		case "labels", "annotations", "ownerReferences", "generateName":
			metadata["f:"+key] = fieldsOf(key, value)
		}
	}
	return list{object{
		"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1", "time": "2026-03-11T09:30:12Z",
		"fieldsType": "FieldsV1",
		"fieldsV1":   object{"f:metadata": metadata, "f:spec": fieldsOf("spec", pod["spec"])},
	}}
}

// listKey tells by which field the API server tells the elements of a list apart; the elements of other lists are not told apart.
func listKey(field string) string {
	switch field {
	case "containers", "env", "volumes":
		return "name"
	case "volumeMounts":
		return "mountPath"
	case "ports":
		return "containerPort"
	case "ownerReferences":
		return "uid"
	}
	return ""
}

func fieldsOf(field string, value any) object {
	out := object{}
	switch v := value.(type) {
	case object:
		for key, member := range v {
			out["f:"+key] = fieldsOf(key, member)
		}
	case list:
		key := listKey(field)
		if key == "" {
			return out
		}
		out["."] = object{}
		for _, element := range v {
			id := fmt.Sprint(element.(object)[key])
			if key != "containerPort" {
				id = `"` + id + `"`
			}
			fields := fieldsOf("", element)
			fields["."] = object{}
			out[fmt.Sprintf(`k:{"%s":%s}`, key, id)] = fields
		}
	}
	return out
}

// sizeOf is how long the object is with its holes filled. A hole is written in more characters than most are filled with, so it is
// filled here once.
func sizeOf(o object) int {
	t, err := newTemplate(o)
	if err != nil { // newPods reports it
		return podSize
	}
	return len(t.fill(nil, 0))
}
