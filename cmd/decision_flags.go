package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/portcullis-dev/portcullis/audit/decisions"
)

// decisionFlags say where the records of decisions go, and what they hold.
type decisionFlags struct {
	file     string
	size     int64
	keep     int
	age      time.Duration
	url      string
	urlCA    string
	urlToken string
	allows   float64
	erase    []string
	key      string
	events   bool
	erasures decisions.Erasures
}

// Defaults of the files: six of 100 MiB are some hundred thousand decisions.
const (
	defaultDecisionSize = 100 << 20
	defaultDecisionKeep = 5
)

func (f *decisionFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.file, "decision-log", "", "`FILE` to add a line of JSON to for every decision, - for standard output")
	flags.Int64Var(&f.size, "decision-log-size", defaultDecisionSize, "`BYTES` above which that file is rotated; 0 is no bound")
	flags.IntVar(&f.keep, "decision-log-files", defaultDecisionKeep, "how many rotated files are kept, FILE.1 the newest")
	flags.DurationVar(&f.age, "decision-log-age", 0, "`DURATION` after which that file is rotated, and a rotated one removed; 0 is never")
	flags.StringVar(&f.url, "decision-log-url", "", "`URL` to post decisions to, as OPA posts its decision logs: JSON arrays compressed by gzip")
	flags.StringVar(&f.urlCA, "decision-log-url-ca", "", "`FILE` of the authority to trust for that address; without, those of this machine")
	flags.StringVar(&f.urlToken, "decision-log-url-token", "", "`FILE` of a bearer token to send to it, read again for each request")
	flags.Float64Var(&f.allows, "decision-log-allows", 1, "the `SHARE`, from 0 to 1, of decisions that are recorded among those that refuse nothing, find nothing and do not fail")
	flags.StringArrayVar(&f.erase, "decision-log-erase", nil, "`POINTER` to what is taken out of every record beside credentials and the contents of Secrets: a JSON pointer into the record with * for any step; may be repeated")
	flags.StringVar(&f.key, "credential-key", "", "`FILE` of the key by which credentials are named in decisions and in the API server's audit log, made if it is not there; without, a Secret of the cluster, or a key for this process alone")
	flags.BoolVar(&f.events, "audit-events", false, "serve /events, to which API servers send their audit log, and record what it says of requests beside the decisions about them")
}

// given reports whether decisions are recorded.
func (f *decisionFlags) given() bool { return f.file != "" || f.url != "" }

// check returns what is wrong with the flags taken by themselves.
func (f *decisionFlags) check(clientCA string) (err error) {
	switch {
	case f.size < 0:
		return fmt.Errorf("--decision-log-size %d is no length; 0 is no bound", f.size)
	case f.keep < 0:
		return fmt.Errorf("--decision-log-files %d is no number of files; 0 keeps none", f.keep)
	case f.age < 0:
		return fmt.Errorf("--decision-log-age %s is in the past; 0 is never", f.age)
	case math.IsNaN(f.allows) || f.allows < 0 || f.allows > 1:
		return fmt.Errorf("--decision-log-allows %v is no share; it must be from 0, for none, to 1, for all", f.allows)
	case f.url == "" && (f.urlCA != "" || f.urlToken != ""):
		return errors.New("--decision-log-url-ca and --decision-log-url-token go with --decision-log-url URL")
	case !f.given() && (len(f.erase) > 0 || f.allows != 1 || f.key != ""):
		return errors.New("--decision-log-erase, --decision-log-allows and --credential-key go with --decision-log FILE or --decision-log-url URL")
	case f.events && !f.given():
		return errors.New("--audit-events goes with --decision-log FILE or --decision-log-url URL, where what they say is recorded")
	case f.events && clientCA == "":
		return errors.New("--audit-events goes with --client-ca FILE and --client-name NAME: whoever else could send events could write evidence")
	}
	if f.erasures, err = decisions.ParseErasures(f.erase); err != nil {
		return fmt.Errorf("--decision-log-erase: %w", err)
	}
	return nil
}

// open opens what was asked for. The recorders are to be started, and done called when they have ended.
func (f *decisionFlags) open(
	ctx context.Context, stdout io.Writer, credentials *decisions.Credentials, log *slog.Logger,
) (recorders decisions.Recorders, done func(), err error) {
	options := decisions.Options{Erase: f.erasures, Credentials: credentials, Allows: &f.allows}
	var sinks []decisions.Sink
	closeAll := func() {
		for _, sink := range sinks {
			_ = sink.Close()
		}
	}
	defer func() {
		if err != nil {
			closeAll()
		}
	}()
	add := func(sink decisions.Sink, options decisions.Options) {
		sinks = append(sinks, sink)
		recorders = append(recorders, decisions.New(sink, options))
	}
	switch f.file {
	case "":
	case "-":
		add(decisions.Stream(stdout), options)
	default:
		file, err := decisions.NewFile(f.file, decisions.FileOptions{Size: f.size, Keep: f.keep, Age: f.age, Log: log})
		if errors.Is(err, decisions.ErrNoReader) {
			return nil, nil, fmt.Errorf("--decision-log: nobody reads from %s; start its reader first, or name a file", f.file)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("--decision-log: %w", err)
		}
		add(file, options)
	}
	if f.url == "" {
		return recorders, closeAll, nil
	}
	sender, err := decisions.NewHTTP(ctx, decisions.HTTPOptions{URL: f.url, CAFile: f.urlCA, TokenFile: f.urlToken, Log: log})
	if err != nil {
		return nil, nil, fmt.Errorf("--decision-log-url: %w", err)
	}
	options.Linger, options.Batch = decisions.LingerHTTP, decisions.BatchHTTP
	add(sender, options)
	return recorders, closeAll, nil
}

// keyFile reads the key by which credentials are named, and makes it if it is not there.
func keyFile(name string) ([]byte, error) {
	key, err := os.ReadFile(name)
	if !errors.Is(err, os.ErrNotExist) {
		return key, err
	}
	// Another server may make it at the same time; the first has made it.
	out, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return os.ReadFile(name)
	}
	if err != nil {
		return nil, err
	}
	key = decisions.NewCredentialKey()
	_, err = out.Write(key)
	return key, errors.Join(err, out.Close())
}
