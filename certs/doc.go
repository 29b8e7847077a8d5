// Package certs says which certificate the listener shows and which authority callers should trust for it.
//
// A Source is one answer to both. SelfSigned makes its own authority and key pair and renews them by itself; Files follows a
// directory somebody else fills, and Secret a Secret, whoever fills it. All hold what they serve parsed, behind an atomic pointer: a
// handshake costs them a load, and what is on disk or being renewed never delays one. Pool follows a file of authorities the same way,
// for checking client certificates. An Announcement keeps a file that tells callers whom to trust.
//
// A Rotation is the authority whose certificates all replicas share. The leader runs it; what it does when is decided in rotation.go,
// for SelfSigned too. Package certmanager has cert-manager do its work.
//
// The package knows nothing of webhooks and policies.
package certs
