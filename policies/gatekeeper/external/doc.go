// Package external answers the calls of external_data from Providers, servers that know what is not in the cluster: whether an image is signed,
// or who a user is. It is the one way by which policies reach out of the process. Without a Provider it does not exist, and where one leads is
// what its author wrote: over TLS alone, to a server that its caBundle vouches for, without redirections and proxies.
package external
