// Package sentinel knows the requests without which a cluster, or Portcullis in it, does not come up again: a policy that would refuse one
// of them is refused itself.
package sentinel
