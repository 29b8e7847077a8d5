package node

// DieWithParent is how processes are started.
var DieWithParent = dieWithParent
