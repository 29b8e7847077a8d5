package cmd

import (
	"github.com/spf13/cobra"
)

// opaHelp is what we say of a command of OPA. Its own help speaks of another program.
type opaHelp struct {
	short, long, example string
	hidden               []string // flags of another server or engine; those who have them in a script may keep them there
}

// opaUsage rewords flags that speak of another program, wherever they are.
var opaUsage = map[string]string{
	"capabilities":                  "`FILE` of the capabilities to hold policies to, or a version such as v1.0.0, instead of the server's own",
	"fail-on-empty":                 "fail when there was no test to run (default true)",
	"claims-file":                   "`FILE` of JSON with additional claims",
	"optimize-store-for-read-speed": "keep data in a form that is fast to read",
	"v0-compatible":                 "read Rego v0, as it was before version 1",
}

var opaHelps = map[string]opaHelp{
	"bench": {
		short: "Measures a Rego query",
		long: `Answers a query again and again, and prints how long it takes and how much memory it needs.
The exit code is 0, or 1 when the query cannot be answered or, without --fail=false, has no answer.`,
		example: `  portcullis bench --data ./policies --input review.json data.team.replicas.deny`,
		hidden:  []string{"config-file", "e2e", "shutdown-grace-period", "shutdown-wait-period", "target"},
	},
	"build": {
		short: "Packs policies and data into a bundle, for other programs",
		long: `Compiles the Rego files of the paths and packs them, with the data beside them, into a bundle: a compressed tar archive. Data is what is
in files named data.json or data.yaml, and in JSON and YAML files that are named themselves.
A bundle is for other programs that run Rego: serve and review read directories and files.
Those that are to call the packages of the library, as data.portcullis.kubernetes, need them beside, as they are left out.
With --bundle the paths are bundles themselves; then --verification-key checks their signatures, and --signing-key signs the result.
The exit code is 0, or 1 when something cannot be read or compiled.`,
		example: `  portcullis build --output bundle.tar.gz ./policies`,
		hidden:  []string{"signing-plugin"},
	},
	"check": {
		short: "Checks policies for errors without running them",
		long: `Parses and compiles the Rego files of the paths with what policies may use in the server, reads them and the documents beside them as
policies, as a server would, and prints all that is wrong. Rego that is no policy need only compile. Who asks for other capabilities,
another version of Rego, schemas or bundles means another engine than this server: then policies are not looked for.
The exit code is 0 when nothing is wrong, and 1 otherwise.`,
		example: `  portcullis check --strict ./policies`,
	},
	"deps": {
		short: "Lists what a query depends on",
		long: `Lists the documents that the answer to a query depends on: base documents, which come from outside, such as those below input, and
virtual documents, which rules make.
The exit code is 0, or 1 when something cannot be read or compiled.`,
		example: `  portcullis deps --data ./policies data.team.replicas.deny`,
	},
	"eval": {
		short: "Answers a Rego query",
		long: `Answers a query and prints the result. Policies and data come from --data, the input from --input or --stdin-input. In a directory, data is
what is in files named data.json or data.yaml; other JSON and YAML files are data when they are named themselves.
The exit code is 0 whatever the answer is, and 1 when there is none because something is wrong. With --fail it is 2 when the result is
undefined or empty, with --fail-defined when it is not.`,
		example: `  portcullis eval '1 + 1'
  portcullis eval --data ./policies --input review.json --format raw data.team.replicas.deny`,
		hidden: []string{"target"},
	},
	"fmt": {
		short: "Formats Rego files",
		long: `Prints the Rego files of the paths, or of standard input when there are none, as they should be written. With --write they are
replaced, with --list the names of those that would change are printed, and with --diff what would change in them.
The exit code is 0, or 1 when something cannot be read. With --fail it is 3 when a file would change.`,
		example: `  portcullis fmt --write ./policies
  portcullis fmt --list --fail ./policies`,
	},
	"inspect": {
		short: "Lists what a bundle or a Rego file holds",
		long: `Lists the packages of a bundle, of a directory or of a Rego file, with where they come from and, with --annotations, their METADATA.
The exit code is 0, or 1 when something cannot be read.`,
		example: `  portcullis inspect --annotations ./policies/replicas.rego`,
	},
	"parse": {
		short: "Prints the syntax tree of a Rego file",
		long: `Parses a Rego file and prints its syntax tree.
The exit code is 0, or 1 when the file cannot be read or parsed.`,
		example: `  portcullis parse --format json ./policies/replicas.rego`,
	},
	"sign": {
		short: "Signs the files of a bundle, for programs that read bundles",
		long: `Writes .signatures.json, which lists the files of a bundle with their hashes and is signed with --signing-key: the PEM file of a private
key or, for the algorithms HS256 to HS512, the secret itself. It is for the programs that read bundles, by which they know who built one;
serve and review read directories and files.
The exit code is 0, or 1 when something cannot be read or signed.`,
		example: `  portcullis sign --signing-key key.pem --bundle ./policies`,
		hidden:  []string{"signing-plugin"},
	},
	"test": {
		short: "Runs the tests of policies",
		long: `Runs the rules whose names begin with test_ in the Rego files of the paths, with what policies may use in the server, packages
as data.portcullis.kubernetes included. Files named data.json and data.yaml are data, and so are JSON and YAML files that are named themselves.
A rule whose name begins with todo_test_ is skipped. With --coverage the report is which rows of the policies were reached, with --bench how
long each test takes.
The exit code is 0 when all tests pass, 2 when one fails, is skipped or --threshold is missed, and 1 when something cannot be read or
compiled, or there is no test to run.`,
		example: `  portcullis test ./policies
  portcullis test --verbose --run 'replicas' ./policies
  portcullis test --coverage --format json ./policies`,
		hidden: []string{"target"},
	},
}

// speakOurWords replaces the help of a command of OPA.
func speakOurWords(c *cobra.Command) {
	help := opaHelps[c.Name()]
	c.Short, c.Long, c.Example = help.short, help.long, help.example
	for _, name := range help.hidden {
		if flag := c.Flags().Lookup(name); flag != nil {
			flag.Hidden = true
		}
	}
	for name, usage := range opaUsage {
		if flag := c.Flags().Lookup(name); flag != nil {
			flag.Usage = usage
		}
	}
}
