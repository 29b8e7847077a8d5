package portcullis.kubernetes_test

import data.portcullis.kubernetes

admission(kind, object) := {"request": {"operation": "CREATE", "kind": {"kind": kind}, "object": object}}

test_object_is_what_is_written if {
	kubernetes.object == {"a": 1} with input as admission("ConfigMap", {"a": 1})
	kubernetes.operation == "CREATE" with input as admission("ConfigMap", {"a": 1})
	not kubernetes.old_object with input as admission("ConfigMap", {"a": 1})
}

test_object_on_delete_is_the_old_one if {
	review := {"request": {"operation": "DELETE", "object": null, "oldObject": {"a": 1}}}
	kubernetes.object == {"a": 1} with input as review
	kubernetes.old_object == {"a": 1} with input as review
}

test_old_object_is_undefined_when_null if {
	not kubernetes.old_object with input as {"request": {"operation": "CREATE", "oldObject": null}}
}

test_labels_and_annotations if {
	object := {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}
	kubernetes.labels == {"a": "b"} with input as admission("Pod", object)
	kubernetes.annotations == {"c": "d"} with input as admission("Pod", object)
}

test_labels_and_annotations_are_empty_when_missing_or_mistyped if {
	every metadata in [{}, {"labels": null, "annotations": null}, {"labels": ["a"], "annotations": "a"}] {
		kubernetes.labels == {} with input as admission("Pod", {"metadata": metadata})
		kubernetes.annotations == {} with input as admission("Pod", {"metadata": metadata})
	}
}

test_namespace_at_every_stage if {
	kubernetes.namespace == "shop" with input as {"request": {"namespace": "shop"}}
	kubernetes.namespace == "shop" with input as {"spec": {"resourceAttributes": {"namespace": "shop"}}}
	kubernetes.namespace == "shop" with input as {"spec": {"namespace": "shop"}}
	kubernetes.namespace == "" with input as {"spec": {"nonResourceAttributes": {"path": "/"}}}
}

test_user_at_every_stage if {
	kubernetes.user.username == "anna" with input as {"request": {"userInfo": {"username": "anna"}}}
	kubernetes.user == {"username": "anna", "uid": "1", "groups": ["dev"], "extra": {}} with input as {"spec": {
		"user": "anna",
		"uid": "1",
		"groups": ["dev"],
	}}
	not kubernetes.user with input as {"spec": {"containers": []}}
}

test_username_and_groups_at_every_stage if {
	kubernetes.username == "anna" with input as {"request": {"userInfo": {"username": "anna", "groups": ["dev"]}}}
	kubernetes.groups == ["dev"] with input as {"request": {"userInfo": {"username": "anna", "groups": ["dev"]}}}
	kubernetes.username == "anna" with input as {"spec": {"user": "anna", "groups": ["dev"]}}
	kubernetes.groups == ["dev"] with input as {"spec": {"user": "anna", "groups": ["dev"]}}
}

test_username_and_groups_are_empty_when_missing if {
	every review in [
		{"request": {"userInfo": {}}},
		{"request": {"userInfo": {"groups": null}}},
		{"spec": {}},
		{"spec": {"groups": null}},
		{"spec": {"containers": []}},
		{},
	] {
		kubernetes.username == "" with input as review
		kubernetes.groups == [] with input as review
	}
}

test_groups_of_a_review_without_a_user if {
	kubernetes.groups == ["dev"] with input as {"spec": {"groups": ["dev"]}}
}

spec_of := {
	"Pod": {"spec": {"nodeName": "n"}},
	"Deployment": {"spec": {"template": {"spec": {"nodeName": "n"}}}},
	"ReplicaSet": {"spec": {"template": {"spec": {"nodeName": "n"}}}},
	"StatefulSet": {"spec": {"template": {"spec": {"nodeName": "n"}}}},
	"DaemonSet": {"spec": {"template": {"spec": {"nodeName": "n"}}}},
	"Job": {"spec": {"template": {"spec": {"nodeName": "n"}}}},
	"ReplicationController": {"spec": {"template": {"spec": {"nodeName": "n"}}}},
	"Rollout": {"spec": {"template": {"spec": {"nodeName": "n"}}}},
	"CronJob": {"spec": {"jobTemplate": {"spec": {"template": {"spec": {"nodeName": "n"}}}}}},
	"PodTemplate": {"template": {"spec": {"nodeName": "n"}}},
}

test_pod_spec_of_every_kind if {
	every kind, manifest in spec_of {
		kubernetes.pod_spec == {"nodeName": "n"} with input as admission(kind, manifest)
		path := kubernetes.pod_spec_path with input as admission(kind, manifest)
		object.get(manifest, split(path, "."), null) == {"nodeName": "n"}
	}
}

test_pod_template_of_every_kind if {
	every kind, manifest in spec_of {
		kubernetes.pod_template.spec == {"nodeName": "n"} with input as admission(kind, manifest)
		path := kubernetes.pod_template_path with input as admission(kind, manifest)
		object.get(manifest, [segment | some segment in split(path, "."); segment != ""], null) == kubernetes.pod_template with input as admission(kind, manifest)
	}
}

test_annotations_and_labels_of_the_pod if {
	metadata := {"annotations": {"a": "b"}, "labels": {"c": "d"}}
	every kind, object in {"Pod": {"metadata": metadata}, "Deployment": {"spec": {"template": {"metadata": metadata}}}} {
		kubernetes.pod_annotations == {"a": "b"} with input as admission(kind, object)
		kubernetes.pod_labels == {"c": "d"} with input as admission(kind, object)
	}
	every object in [{}, {"metadata": {"annotations": null, "labels": ["x"]}}] {
		kubernetes.pod_annotations == {} with input as admission("Pod", object)
		kubernetes.pod_labels == {} with input as admission("Pod", object)
	}
}

custom(templates) := {
	"request": {
		"operation": "CREATE",
		"kind": {"group": "example.com", "version": "v1", "kind": "Pod"},
		"resource": {"group": "example.com", "version": "v1", "resource": "pods"},
		"object": {"spec": {"worker": {"pod": {
			"metadata": {"labels": {"a": "b"}},
			"spec": {"containers": [{"name": "app", "image": "x"}]},
		}}}},
	},
	"parameters": {"podTemplates": templates},
}

test_a_custom_resource_keeps_its_pod_template_where_it_is_said if {
	review := custom({"rollouts.argoproj.io": "spec.template", "pods.example.com": "spec.worker.pod"})
	kubernetes.pod_template_path == "spec.worker.pod" with input as review
	kubernetes.pod_spec_path == "spec.worker.pod.spec" with input as review
	kubernetes.pod_spec == {"containers": [{"name": "app", "image": "x"}]} with input as review
	kubernetes.pod_labels == {"a": "b"} with input as review
	kubernetes.containers[0].path == "spec.worker.pod.spec.containers[0]" with input as review
	kubernetes.images[0].path == "spec.worker.pod.spec.containers[0].image" with input as review
}

test_a_custom_resource_without_the_pod_template_that_is_said if {
	review := custom({"pods.example.com": "spec.template"})
	not kubernetes.pod_spec with input as review
	kubernetes.containers == [] with input as review
}

test_pod_templates_of_other_resources_change_nothing if {
	every templates in [{}, {"rollouts.argoproj.io": "spec.worker.pod"}] {
		kubernetes.pod_spec_path == "spec" with input as custom(templates)
	}
}

test_subresources_of_pods_carry_a_pod if {
	every subresource in ["ephemeralcontainers", "resize"] {
		review := {"request": {
			"operation": "UPDATE",
			"kind": {"group": "", "version": "v1", "kind": "Pod"},
			"resource": {"group": "", "version": "v1", "resource": "pods"},
			"subResource": subresource,
			"object": {"spec": {"ephemeralContainers": [{"name": "debug"}]}},
		}}
		kubernetes.containers[0].path == "spec.ephemeralContainers[0]" with input as review
	}
}

test_no_pod_spec_in_other_objects if {
	every object in [{}, null, {"spec": null}, {"spec": {"template": "x"}}] {
		not kubernetes.pod_spec with input as admission("ConfigMap", object)
		kubernetes.containers == [] with input as admission("ConfigMap", object)
		kubernetes.images == [] with input as admission("ConfigMap", object)
	}
}

test_containers_of_every_kind if {
	object := {"spec": {"template": {"spec": {
		"containers": [{"name": "app"}, {}],
		"initContainers": [{"name": "setup"}],
		"ephemeralContainers": [{"name": "debug"}],
	}}}}
	kubernetes.containers == [
		{
			"container": {"name": "setup"},
			"kind": "init container",
			"name": "setup",
			"path": "spec.template.spec.initContainers[0]",
		},
		{
			"container": {"name": "app"},
			"kind": "container",
			"name": "app",
			"path": "spec.template.spec.containers[0]",
		},
		{
			"container": {},
			"kind": "container",
			"name": "",
			"path": "spec.template.spec.containers[1]",
		},
		{
			"container": {"name": "debug"},
			"kind": "ephemeral container",
			"name": "debug",
			"path": "spec.template.spec.ephemeralContainers[0]",
		},
	] with input as admission("Deployment", object)
}

test_volumes if {
	kubernetes.volumes == [] with input as admission("Pod", {"spec": {"volumes": null}})
	kubernetes.volumes == [
		{"name": "a", "path": "spec.volumes[0]", "volume": {"name": "a", "emptyDir": {}}},
		{"name": "", "path": "spec.volumes[1]", "volume": null},
	] with input as admission("Pod", {"spec": {"volumes": [{"name": "a", "emptyDir": {}}, null]}})
}

test_images_of_containers_and_volumes if {
	object := {"spec": {
		"containers": [{"name": "app", "image": "a"}, {"name": "without"}],
		"initContainers": [{"name": "setup", "image": "b"}],
		"volumes": [{"emptyDir": {}}, {"name": "model", "image": {"reference": "c"}}, {"image": {"reference": "d"}}],
	}}
	kubernetes.images == [
		{"image": "b", "kind": "init container", "name": "setup", "path": "spec.initContainers[0].image"},
		{"image": "a", "kind": "container", "name": "app", "path": "spec.containers[0].image"},
		{"image": "c", "kind": "volume", "name": "model", "path": "spec.volumes[1].image.reference"},
		{"image": "d", "kind": "volume", "name": "", "path": "spec.volumes[2].image.reference"},
	] with input as admission("Pod", object)
}

test_images_of_an_image_review if {
	kubernetes.images == [{"image": "a", "kind": "container", "name": "", "path": ""}] with input as {
		"kind": "ImageReview",
		"spec": {"containers": [{"image": "a"}]},
	}
}

test_wrong_types_are_not_errors if {
	every containers in ["x", 1, null, {"a": {"image": "b"}}, [null, 1, "x", [], {"name": 7}]] {
		every volumes in ["x", null, [1, {"image": "y"}]] {
			object := {"spec": {"containers": containers, "volumes": volumes}}
			count(kubernetes.containers) >= 0 with input as admission("Pod", object)
			count(kubernetes.images) >= 0 with input as admission("Pod", object)
		}
	}
}

test_the_service_account_of_a_pod if {
	kubernetes.service_account({}) == "default"
	kubernetes.service_account({"serviceAccountName": "", "serviceAccount": null}) == "default"
	kubernetes.service_account({"serviceAccount": "old"}) == "old"
	kubernetes.service_account({"serviceAccountName": "new", "serviceAccount": "old"}) == "new"
}

test_name if {
	kubernetes.name == "web" with input as {"request": {"operation": "CREATE", "name": "web", "object": {"metadata": {"name": "other"}}}}
	kubernetes.name == "web-*" with input as {"request": {"operation": "CREATE", "name": "", "object": {"metadata": {"generateName": "web-"}}}}
	kubernetes.name == "web" with input as {"request": {"operation": "CREATE", "object": {"metadata": {"name": "web", "generateName": "we"}}}}
	kubernetes.name == "" with input as {"request": {"operation": "CREATE", "object": {"metadata": {"name": null}}}}
	kubernetes.name == "" with input as {"request": {"operation": "CREATE", "name": null, "object": null}}
	kubernetes.name == "" with input as {"spec": {"namespace": "shop"}}
	kubernetes.name == "" with input as {}
	kubernetes.called("web", null) == "web"
	kubernetes.called("", {"metadata": {"generateName": "web-"}}) == "web-*"
}

test_text if {
	kubernetes.text({"name": "web"}, "name") == "web"
	every of in [null, 7, "web", {}, {"name": null}, {"name": ["web"]}] {
		kubernetes.text(of, "name") == ""
	}
}
