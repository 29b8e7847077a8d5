package portcullis.images_test

import data.portcullis.images

pod(references) := {"request": {
	"operation": "CREATE",
	"kind": {"kind": "Pod"},
	"object": {"spec": {"containers": [{"name": "app", "image": reference} | some reference in references]}},
}}

test_readable_images_have_parts if {
	images.readable == [
		{
			"digest": "",
			"image": "nginx",
			"kind": "container",
			"name": "app",
			"path": "spec.containers[0].image",
			"place": "docker.io/library/nginx",
			"registry": "docker.io",
			"repository": "library/nginx",
			"tag": "",
		},
		{
			"digest": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
			"image": "registry.example.com:5000/shop/app:1.4@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
			"kind": "container",
			"name": "app",
			"path": "spec.containers[1].image",
			"place": "registry.example.com:5000/shop/app",
			"registry": "registry.example.com:5000",
			"repository": "shop/app",
			"tag": "1.4",
		},
	] with input as pod([
		"nginx",
		"registry.example.com:5000/shop/app:1.4@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	])
	images.unreadable == [] with input as pod(["nginx"])
}

test_unreadable_images if {
	references := ["", "Nginx", "a b", 7, null]
	images.readable == [] with input as pod(references)
	[one.image | some one in images.unreadable] == references with input as pod(references)
	[one.path | some one in images.unreadable] == ["spec.containers[0].image"] with input as pod(["-"])
}

test_within if {
	images.within("docker.io/library/nginx", ["ghcr.io", "docker.io"])
	images.within("docker.io/library/nginx", ["docker.io/library/"])
	images.within("docker.io/library/nginx", ["docker.io/library/nginx"])
	not images.within("docker.io/library/nginx", ["docker.io/lib"])
	not images.within("docker.io.example.com/library/nginx", ["docker.io"])
	not images.within("docker.io/library/nginx", [])
}

test_like if {
	images.like("registry.example.com/debug/tools:1", ["other", "registry.example.com/debug/*"])
	not images.like("registry.example.com/app:1", ["registry.example.com/debug/*"])
	not images.like(null, ["*"])
	not images.like("a", [])
}
