# METADATA
# title: Tags become digests
# description: >-
#   A tag may mean another image tomorrow; a digest never does. An image whose name is in the parameter gets the digest that
#   stands there, behind its tag, which stays for whoever reads it: all replicas run the same code, now and after a rollback.
#   Names are compared by the grammar of references, so nginx and docker.io/library/nginx:latest are the same. An image that has a
#   digest keeps it, and one that is not listed stays as it is; images.digest_required refuses those. Of a Pod that
#   exists only images that change are edited. Pods are edited and not their workloads, so that what is in Git and what is in
#   the cluster stay the same.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/containers/images/#image-names
#   description: Image names
# custom:
#   portcullis:
#     severity: medium
#     controls: [nsa/secure-images]
#     match: {resources: [pods]}
#     parameters:
#       type: object
#       additionalProperties: false
#       required: [digests]
#       properties:
#         digests:
#           description: >-
#             The digest of each image, by name and tag, as "nginx:1.27" or "registry.example.com/shop/app:1.4"; without a tag
#             latest is meant.
#           type: object
#           additionalProperties: {type: string, pattern: "^sha256:[0-9a-f]{64}$"}
#       examples:
#       - digests:
#           "nginx:1.27": sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
#           "registry.example.com/shop/app:1.4": sha256:01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b
package portcullis.library.images.pinned_by_digest

import data.portcullis.kubernetes

mutate contains {"set": ["spec", field, {"name": container.name}, "image"], "value": pinned(container.image)} if {
	some field in ["initContainers", "containers", "ephemeralContainers"]
	some container in kubernetes.object.spec[field]
	not same(field, container.name, container.image)
}

mutate contains {"set": ["spec", "volumes", {"name": volume.name}, "image", "reference"], "value": pinned(volume.image.reference)} if {
	input.request.operation == "CREATE"
	some volume in kubernetes.object.spec.volumes
}

pinned(written) := concat("@", [written, digest]) if {
	image.is_valid(written)
	parts := image.parse(written)
	parts.digest == ""
	digest := [found | some spelling in spellings(parts); found := input.parameters.digests[spelling]][0]
}

# Who looks up each way to write an image need not read the whole list.
spellings(parts) := [concat("", [place, tag]) | some tag in tags(parts.tag); some place in places(parts)]

tags("") := ["", ":latest"]

tags("latest") := [":latest", ""]

tags(tag) := [concat("", [":", tag])] if not tag in {"", "latest"}

places(parts) := array.concat(hub(parts.repository), long) if {
	parts.registry == "docker.io"
	long := [concat("/", [host, name]) |
		some host in ["docker.io", "index.docker.io"]
		some name in hub(parts.repository)
	]
} else := [concat("/", [parts.registry, parts.repository])]

hub(repository) := [repository, trim_prefix(repository, "library/")]

# An update of a Pod's labels changes no image.
same(field, name, written) if {
	input.request.operation == "UPDATE"
	some old in kubernetes.old_object.spec[field]
	old.name == name
	old.image == written
}
