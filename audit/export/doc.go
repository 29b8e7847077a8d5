// Package export writes an audit.Report for those who read it: on a terminal, as a page, in a spreadsheet, in a code host, in a cluster. Whatever
// objects, policies and files are named, and whatever messages say, changes nothing of the form: each format escapes what it is given.
package export
