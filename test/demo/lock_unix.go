//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// lock keeps a second demonstration out of the folder, which it makes if it is missing. The lock ends with the process, in whatever way.
func (h home) lock() (unlock func(), err error) {
	if err := os.MkdirAll(string(h), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(h.join(lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	switch err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		text := make([]byte, 20)
		n, _ := file.ReadAt(text, 0)
		file.Close()
		return nil, fmt.Errorf("a demonstration is already up in %s (process %s); press Ctrl-C in its terminal first", h, text[:n])
	case err != nil:
		file.Close()
		return nil, fmt.Errorf("lock %s: %w", file.Name(), err)
	}
	err = file.Truncate(0)
	if err == nil {
		_, err = file.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("write into the lock: %w", err)
	}
	return func() { file.Close() }, nil
}
