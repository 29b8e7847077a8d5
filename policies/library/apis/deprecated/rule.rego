# METADATA
# title: No APIs that the next version has not
# description: >-
#   A version of Kubernetes takes API versions away that were deprecated long before; manifests that still use them cannot be applied
#   after the upgrade. Objects are created and changed by API versions that the target of the parameter serves. What counts is the
#   version that was asked for, not the one into which the API server converts it. Set the target ahead of the upgrade; what is
#   installed already is found by portcullis review, among the manifests. Leases, EndpointSlices, Events and the reviews of
#   authentication and authorization are not seen: what writes them, many times a second, must not wait for a webhook, and people do not.
# related_resources:
# - ref: https://kubernetes.io/docs/reference/using-api/deprecation-guide/
#   description: Deprecated API migration guide
# custom:
#   portcullis:
#     severity: medium
#     match:
#       resources:
#       - admissionregistration.k8s.io/*
#       - apiextensions.k8s.io/*
#       - apiregistration.k8s.io/*
#       - apps/*
#       - autoscaling/*
#       - batch/*
#       - certificates.k8s.io/*
#       - extensions/*
#       - flowcontrol.apiserver.k8s.io/*
#       - lifecycle.k8s.io/*
#       - networking.k8s.io/*
#       - node.k8s.io/*
#       - policy/*
#       - rbac.authorization.k8s.io/*
#       - resource.k8s.io/*
#       - scheduling.k8s.io/*
#       - storage.k8s.io/*
#       - storagemigration.k8s.io/*
#     parameters:
#       type: object
#       additionalProperties: false
#       properties:
#         target:
#           description: The version of Kubernetes that must serve what is used, as v1.40.
#           type: string
#           pattern: "^v1\\.[0-9]+$"
#           default: v1.37
package portcullis.library.apis.deprecated

deny contains {"message": message, "field": "apiVersion"} if {
	asked.version != "v1"
	known := gone[asked.group][asked.version][asked.kind]
	known.in <= to_number(trim_prefix(input.parameters.target, "v1."))
	message := sprintf("%s/%s %s is not served from Kubernetes v1.%d on; %s", [
		asked.group,
		asked.version,
		asked.kind,
		known.in,
		remedy(known),
	])
}

# What the user sent; kind is what it was converted to.
asked := input.request.requestKind if {
	input.request.requestKind.version
} else := input.request.kind

remedy(known) := "no other version of it is known" if known.use == ""

remedy(known) := sprintf("use %s", [known.use]) if known.use != ""

# The minor version that no longer has it, and the API version to use. What Kubernetes' own packages know stands between the lines, and is
# written by UPDATE=1 go test ./policies/library
# begin
gone := {
	"admissionregistration.k8s.io": {
		"v1alpha1": {
			"MutatingAdmissionPolicy": {"in": 38, "use": "admissionregistration.k8s.io/v1"},
			"MutatingAdmissionPolicyBinding": {"in": 38, "use": "admissionregistration.k8s.io/v1"},
			"ValidatingAdmissionPolicy": {"in": 32, "use": "admissionregistration.k8s.io/v1"},
			"ValidatingAdmissionPolicyBinding": {"in": 32, "use": "admissionregistration.k8s.io/v1"},
		},
		"v1beta1": {
			"MutatingAdmissionPolicy": {"in": 40, "use": "admissionregistration.k8s.io/v1"},
			"MutatingAdmissionPolicyBinding": {"in": 40, "use": "admissionregistration.k8s.io/v1"},
			"MutatingWebhookConfiguration": {"in": 22, "use": "admissionregistration.k8s.io/v1"},
			"ValidatingAdmissionPolicy": {"in": 34, "use": "admissionregistration.k8s.io/v1"},
			"ValidatingAdmissionPolicyBinding": {"in": 34, "use": "admissionregistration.k8s.io/v1"},
			"ValidatingWebhookConfiguration": {"in": 22, "use": "admissionregistration.k8s.io/v1"},
		},
	},
	"apiextensions.k8s.io": {
		"v1beta1": {
			"CustomResourceDefinition": {"in": 22, "use": "apiextensions.k8s.io/v1"},
		},
	},
	"apiregistration.k8s.io": {
		"v1beta1": {
			"APIService": {"in": 22, "use": "apiregistration.k8s.io/v1"},
		},
	},
	"apps": {
		"v1beta1": {
			"ControllerRevision": {"in": 16, "use": "apps/v1"},
			"Deployment": {"in": 16, "use": "apps/v1"},
			"DeploymentRollback": {"in": 16, "use": "apps/v1"},
			"Scale": {"in": 16, "use": "autoscaling/v1"},
			"StatefulSet": {"in": 16, "use": "apps/v1"},
		},
		"v1beta2": {
			"ControllerRevision": {"in": 16, "use": "apps/v1"},
			"DaemonSet": {"in": 16, "use": "apps/v1"},
			"Deployment": {"in": 16, "use": "apps/v1"},
			"ReplicaSet": {"in": 16, "use": "apps/v1"},
			"Scale": {"in": 16, "use": "autoscaling/v1"},
			"StatefulSet": {"in": 16, "use": "apps/v1"},
		},
	},
	"autoscaling": {
		"v2beta1": {
			"HorizontalPodAutoscaler": {"in": 25, "use": "autoscaling/v2"},
		},
		"v2beta2": {
			"HorizontalPodAutoscaler": {"in": 26, "use": "autoscaling/v2"},
		},
	},
	"batch": {
		"v1beta1": {
			"CronJob": {"in": 25, "use": "batch/v1"},
		},
		"v2alpha1": {
			"CronJob": {"in": 21, "use": "batch/v1"},
		},
	},
	"certificates.k8s.io": {
		"v1alpha1": {
			"ClusterTrustBundle": {"in": 37, "use": "certificates.k8s.io/v1"},
		},
		"v1beta1": {
			"CertificateSigningRequest": {"in": 22, "use": "certificates.k8s.io/v1"},
			"ClusterTrustBundle": {"in": 40, "use": "certificates.k8s.io/v1"},
			"PodCertificateRequest": {"in": 40, "use": "certificates.k8s.io/v1"},
		},
	},
	"extensions": {
		"v1beta1": {
			"DaemonSet": {"in": 16, "use": "apps/v1"},
			"Deployment": {"in": 16, "use": "apps/v1"},
			"DeploymentRollback": {"in": 16, "use": ""},
			"Ingress": {"in": 22, "use": "networking.k8s.io/v1"},
			"NetworkPolicy": {"in": 16, "use": "networking.k8s.io/v1"},
			"PodSecurityPolicy": {"in": 16, "use": ""},
			"ReplicaSet": {"in": 16, "use": "apps/v1"},
			"Scale": {"in": 16, "use": ""},
		},
	},
	"flowcontrol.apiserver.k8s.io": {
		"v1alpha1": {
			"FlowSchema": {"in": 21, "use": "flowcontrol.apiserver.k8s.io/v1"},
			"PriorityLevelConfiguration": {"in": 21, "use": "flowcontrol.apiserver.k8s.io/v1"},
		},
		"v1beta1": {
			"FlowSchema": {"in": 26, "use": "flowcontrol.apiserver.k8s.io/v1"},
			"PriorityLevelConfiguration": {"in": 26, "use": "flowcontrol.apiserver.k8s.io/v1"},
		},
		"v1beta2": {
			"FlowSchema": {"in": 29, "use": "flowcontrol.apiserver.k8s.io/v1"},
			"PriorityLevelConfiguration": {"in": 29, "use": "flowcontrol.apiserver.k8s.io/v1"},
		},
		"v1beta3": {
			"FlowSchema": {"in": 32, "use": "flowcontrol.apiserver.k8s.io/v1"},
			"PriorityLevelConfiguration": {"in": 32, "use": "flowcontrol.apiserver.k8s.io/v1"},
		},
	},
	"lifecycle.k8s.io": {
		"v1alpha1": {
			"Eviction": {"in": 43, "use": ""},
			"EvictionRequest": {"in": 43, "use": ""},
		},
	},
	"networking.k8s.io": {
		"v1beta1": {
			"IPAddress": {"in": 37, "use": "networking.k8s.io/v1"},
			"Ingress": {"in": 22, "use": "networking.k8s.io/v1"},
			"IngressClass": {"in": 22, "use": "networking.k8s.io/v1"},
			"ServiceCIDR": {"in": 37, "use": "networking.k8s.io/v1"},
		},
	},
	"node.k8s.io": {
		"v1alpha1": {
			"RuntimeClass": {"in": 24, "use": "node.k8s.io/v1"},
		},
		"v1beta1": {
			"RuntimeClass": {"in": 25, "use": "node.k8s.io/v1"},
		},
	},
	"policy": {
		"v1beta1": {
			"Eviction": {"in": 25, "use": "policy/v1"},
			"PodDisruptionBudget": {"in": 25, "use": "policy/v1"},
			"PodSecurityPolicy": {"in": 25, "use": ""},
		},
	},
	"rbac.authorization.k8s.io": {
		"v1alpha1": {
			"ClusterRole": {"in": 22, "use": "rbac.authorization.k8s.io/v1"},
			"ClusterRoleBinding": {"in": 22, "use": "rbac.authorization.k8s.io/v1"},
			"Role": {"in": 22, "use": "rbac.authorization.k8s.io/v1"},
			"RoleBinding": {"in": 22, "use": "rbac.authorization.k8s.io/v1"},
		},
		"v1beta1": {
			"ClusterRole": {"in": 22, "use": "rbac.authorization.k8s.io/v1"},
			"ClusterRoleBinding": {"in": 22, "use": "rbac.authorization.k8s.io/v1"},
			"Role": {"in": 22, "use": "rbac.authorization.k8s.io/v1"},
			"RoleBinding": {"in": 22, "use": "rbac.authorization.k8s.io/v1"},
		},
	},
	"resource.k8s.io": {
		"v1alpha3": {
			"DeviceTaintRule": {"in": 39, "use": "resource.k8s.io/v1"},
			"ResourcePoolStatusRequest": {"in": 42, "use": ""},
		},
		"v1beta1": {
			"DeviceClass": {"in": 38, "use": "resource.k8s.io/v1"},
			"ResourceClaim": {"in": 38, "use": "resource.k8s.io/v1"},
			"ResourceClaimTemplate": {"in": 38, "use": "resource.k8s.io/v1"},
			"ResourceSlice": {"in": 38, "use": "resource.k8s.io/v1"},
		},
		"v1beta2": {
			"DeviceClass": {"in": 39, "use": "resource.k8s.io/v1"},
			"DeviceTaintRule": {"in": 42, "use": "resource.k8s.io/v1"},
			"ResourceClaim": {"in": 39, "use": "resource.k8s.io/v1"},
			"ResourceClaimTemplate": {"in": 39, "use": "resource.k8s.io/v1"},
			"ResourceSlice": {"in": 39, "use": "resource.k8s.io/v1"},
		},
	},
	"scheduling.k8s.io": {
		"v1alpha1": {
			"PriorityClass": {"in": 22, "use": "scheduling.k8s.io/v1"},
		},
		"v1beta1": {
			"PodGroup": {"in": 43, "use": "scheduling.k8s.io/v1alpha3"},
			"PriorityClass": {"in": 22, "use": "scheduling.k8s.io/v1"},
			"Workload": {"in": 43, "use": "scheduling.k8s.io/v1alpha3"},
		},
	},
	"storage.k8s.io": {
		"v1alpha1": {
			"CSIStorageCapacity": {"in": 24, "use": "storage.k8s.io/v1"},
			"VolumeAttachment": {"in": 24, "use": "storage.k8s.io/v1"},
			"VolumeAttributesClass": {"in": 35, "use": "storage.k8s.io/v1"},
		},
		"v1beta1": {
			"CSIDriver": {"in": 22, "use": "storage.k8s.io/v1"},
			"CSINode": {"in": 22, "use": "storage.k8s.io/v1"},
			"CSIStorageCapacity": {"in": 27, "use": "storage.k8s.io/v1"},
			"StorageClass": {"in": 22, "use": "storage.k8s.io/v1"},
			"VolumeAttachment": {"in": 22, "use": "storage.k8s.io/v1"},
			"VolumeAttributesClass": {"in": 37, "use": "storage.k8s.io/v1"},
		},
	},
	"storagemigration.k8s.io": {
		"v1beta1": {
			"StorageVersionMigration": {"in": 40, "use": "storagemigration.k8s.io/v1"},
		},
	},
}

# end
