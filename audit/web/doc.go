// Package web shows people what is in the cluster and what was decided at the door: pages made on the server, which need no script. Who looks signs in
// with a bearer token of the cluster; TokenReview says whose it is, and SubjectAccessReviews what of the virtual resources Findings, Decisions and Policies
// they may see, in which namespaces. What could not be asked is shown to nobody, and said to be unknown, not to be forbidden.
package web
