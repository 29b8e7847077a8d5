// Package audit is the vocabulary of what is found in a cluster: which policies there are, what each of them says of the objects that are
// already there, and whether all was looked at. Who judges (sweep), who keeps what was decided at the door (decisions), and who shows it
// (export, reports, web) meet in these words and know nothing of each other.
package audit
