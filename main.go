// Portcullis judges every request to a Kubernetes API server against Rego policies. See README.md.
package main

import (
	"os"
	_ "time/tzdata" // policies may name time zones, and the image has none of its own

	"github.com/portcullis-dev/portcullis/cmd"
)

func main() { os.Exit(cmd.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
