package plane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// locks keep two control planes out of one directory. There are two of them because a crash of the parent and the end of its children
// are not the same moment: own is held by the parent alone, children is inherited by every child and so is free when the last is gone.
type locks struct{ own, children *os.File }

// lock takes both locks. A directory in use is refused at once; the children of a crashed run are waited for, they end by themselves.
func (l layout) lock(ctx context.Context, p *progress) (_ *locks, err error) {
	own, err := os.OpenFile(l.run()+"/lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	defer func() {
		if err != nil {
			own.Close()
		}
	}()
	switch err := flock(own); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, fmt.Errorf("a control plane already runs in %s%s; stop it first or choose another --dir", l, holder(own))
	case err != nil:
		return nil, fmt.Errorf("lock %s: %w", own.Name(), err)
	}
	if err := own.Truncate(0); err != nil {
		return nil, fmt.Errorf("write into the lock: %w", err)
	}
	if _, err := own.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0); err != nil {
		return nil, fmt.Errorf("write into the lock: %w", err)
	}

	children, err := os.OpenFile(l.run()+"/children.lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the children: %w", err)
	}
	told := false
	err = poll(ctx, 20*time.Millisecond, func() (bool, error) {
		err := flock(children)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			if !told {
				told = true
				p.say("waiting for the processes of an earlier run to end")
			}
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		children.Close()
		return nil, fmt.Errorf("processes of an earlier run in %s do not end: %w", l, err)
	}
	return &locks{own: own, children: children}, nil
}

func (l *locks) release() {
	l.children.Close()
	l.own.Close()
}

func flock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// holder tells who holds the lock, as far as its text can be trusted.
func holder(f *os.File) string {
	text := make([]byte, 20)
	n, _ := f.ReadAt(text, 0)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n]))); err == nil {
		return fmt.Sprintf(" (process %d)", pid)
	}
	return ""
}
