package cmd

import (
	"context"
	"log/slog"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// logClients has what client-go and controller-runtime say go to slog's default logger, which a server that works with a cluster makes its own: one log, in one
// format. It is called once, before anything of client-go runs. klog reads its logger without a lock, so that setting it again races with
// whoever logs; slog's default may be exchanged at any time.
func logClients() {
	klog.SetSlogLogger(slog.New(clientLog{}))
	ctrllog.SetLogger(logr.FromSlogHandler(clientLog{}))
}

// clientLog is a slog.Handler that passes on to the default logger of the moment, with the attributes and groups added since.
type clientLog struct {
	with func(slog.Handler) slog.Handler // nil adds nothing
}

func (c clientLog) handler() slog.Handler { return c.on(slog.Default().Handler()) }

func (c clientLog) on(h slog.Handler) slog.Handler {
	if c.with == nil {
		return h
	}
	return c.with(h)
}

// Enabled is as of the default logger.
func (c clientLog) Enabled(ctx context.Context, level slog.Level) bool {
	return c.handler().Enabled(ctx, level)
}

// Handle passes the record on.
func (c clientLog) Handle(ctx context.Context, r slog.Record) error {
	return c.handler().Handle(ctx, r)
}

// WithAttrs adds the attributes to what is passed on from now on.
func (c clientLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return clientLog{with: func(h slog.Handler) slog.Handler { return c.on(h).WithAttrs(attrs) }}
}

// WithGroup opens the group in what is passed on from now on.
func (c clientLog) WithGroup(name string) slog.Handler {
	return clientLog{with: func(h slog.Handler) slog.Handler { return c.on(h).WithGroup(name) }}
}
