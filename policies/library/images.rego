# METADATA
# scope: package
# title: What images are called
# description: >-
#   The images of data.portcullis.kubernetes by the grammar of references, in which nginx is docker.io/library/nginx, and what
#   policies ask of them. Import it as data.portcullis.images. Whatever is not a reference is among the unreadable, never an
#   error.
package portcullis.images

import data.portcullis.kubernetes

# METADATA
# title: Readable images
# description: >-
#   The images whose reference can be read. Each entry has, beside image, path, kind and name as in kubernetes.images, the
#   registry, the repository, the tag and the digest of the reference, empty where it names none, and both of the first
#   together, docker.io/library/nginx, as its place.
readable := [entry |
	some one in kubernetes.images
	image.is_valid(one.image)
	parts := image.parse(one.image)
	entry := {
		"digest": parts.digest,
		"image": one.image,
		"kind": one.kind,
		"name": one.name,
		"path": one.path,
		"place": concat("/", [parts.registry, parts.repository]),
		"registry": parts.registry,
		"repository": parts.repository,
		"tag": parts.tag,
	}
]

# METADATA
# title: Unreadable images
# description: >-
#   The images whose reference cannot be read, as in kubernetes.images. A policy about references refuses them, since it cannot
#   tell what they are.
unreadable := [one |
	some one in kubernetes.images
	not image.is_valid(one.image)
]

# METADATA
# title: Within
# description: >-
#   Whether a place is one of those listed, or below one of them: docker.io/library/nginx is within docker.io and within
#   docker.io/library. It is not within docker.io/lib: places are compared up to a slash.
within(place, places) if {
	some other in places
	startswith(concat("", [place, "/"]), concat("", [trim_right(other, "/"), "/"]))
}

# METADATA
# title: Like
# description: >-
#   Whether an image, as its author wrote it, is like one of the patterns, in which a star stands for any text. A container
#   without an image is like none.
like(written, patterns) if {
	is_string(written)
	some pattern in patterns
	glob.match(pattern, null, written)
}
