// Package controlplane makes the files by which an API server calls Portcullis: what a webhook configuration in the cluster cannot say, and
// for who wants it, the webhook configurations themselves as files. It is pure: options in, files out.
package controlplane
