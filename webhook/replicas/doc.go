// Package replicas lets the servers of one release know of each other: who is alive and which policies each one serves, and who of them
// writes into the cluster. Answering the API server's calls needs none of this.
//
// Every server has a Lease, NAME-replica-REPLICA, whose annotations say what it serves. One more, NAME-leader, says who leads.
package replicas
