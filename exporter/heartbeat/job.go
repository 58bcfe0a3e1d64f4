package heartbeat

import (
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// job is something that is asked of the storage: to write the own stamp, to list the stamps, or, with
// another host's name, to read that host's.
type job struct{ what, host string }

// run is a job under way.
type run struct {
	since time.Time
	// warned tells that the log has been told that it hangs.
	warned bool
}

// do runs the job beside us, unless it is still running or too many reads hang already.
func (h *Heartbeat) do(j job, f func() error) {
	r, hangs := h.claim(j)
	if hangs {
		h.log.Warn("storage heartbeat hangs", "job", j.what, "host", j.host)
	}
	if r == nil {
		return
	}
	go func() {
		err := f()
		if h.finish(j) {
			h.log.Info("storage heartbeat hangs no longer", "job", j.what, "host", j.host)
		}
		h.told(j, err)
	}()
}

// claim returns a new run of the job, or nil when there can be none, and whether that is to be logged
// because the job is found hanging for the first time.
func (h *Heartbeat) claim(j job) (r *run, hangs bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.busy[j]; r != nil {
		hangs, r.warned = !r.warned, true
		return nil, hangs
	}
	if j.host != "" && len(h.busy) >= maxHanging {
		return nil, false
	}
	r = &run{since: time.Now()}
	h.busy[j] = r
	return r, false
}

// finish ends the job's run and returns whether the log was told that it hung.
func (h *Heartbeat) finish(j job) (hung bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	hung = h.busy[j].warned
	delete(h.busy, j)
	return hung
}

// told keeps a job's outcome and logs when it begins to fail and when it works again.
func (h *Heartbeat) told(j job, err error) {
	text := ""
	if err != nil {
		text = fmt.Sprintf("%s: %v", j.what, err)
	}
	h.mu.Lock()
	before := h.errs[j]
	h.errs[j] = text
	if text == "" {
		delete(h.errs, j)
	}
	h.mu.Unlock()
	switch {
	case text != "" && before == "":
		h.log.Warn("storage heartbeat failed", "job", j.what, "host", j.host, "err", err)
	case text == "" && before != "":
		h.log.Info("storage heartbeat works again", "job", j.what, "host", j.host)
	}
}

// errGone is what becomes of a directory whose storage has gone.
var errGone = errors.New("the directory is empty and on another file system than before: is the storage still mounted?")

// write leaves the own stamp. It starts none in the empty mount point of a storage that has gone,
// where nobody but us would see it.
func (h *Heartbeat) write() error {
	h.mu.Lock()
	before := h.own
	s := stamp{host: h.name, sequence: before.sequence + 1, unix: time.Now().Unix()}
	h.mu.Unlock()
	hosts, device, err := h.hosts()
	if err != nil {
		return err
	}
	if len(hosts) == 0 && !before.written.IsZero() && device != before.device {
		return errGone
	}
	modified, err := h.files.write(h.path(s.host), s.text())
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.own = own{host: s.host, sequence: s.sequence, written: time.Now(), modified: modified, device: device}
	h.mu.Unlock()
	if before.host == "" || before.host == s.host {
		return nil
	}
	return h.withdraw(before)
}

// withdraw removes the stamp that this process left under another name. The host lives on under its new
// one: a stamp that stayed would tell all others for a week that a host has died which never was. One
// that is not ours any more stays, and one that cannot be removed ages.
func (h *Heartbeat) withdraw(was own) error {
	text, _, err := h.files.read(h.path(was.host))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the stamp under the old name: %w", err)
	}
	if s, err := parseStamp(text); err != nil || s.host != was.host || s.sequence != was.sequence {
		h.log.Info("the stamp under the old name is left: it is not this process's", "host", was.host)
		return nil
	}
	if err := h.files.remove(h.path(was.host)); err != nil {
		return fmt.Errorf("remove the stamp under the old name: %w", err)
	}
	return nil
}

// list looks whose stamps there are and has each other's read by itself, so that a file which hangs
// (a cluster file system holds what a dead host had locked) makes no other host look dead.
func (h *Heartbeat) list() error {
	hosts, _, err := h.hosts()
	if err != nil {
		return err
	}
	// Without any stamp, not even the own one, this is not the storage that it was.
	if len(hosts) == 0 {
		return nil
	}
	h.mu.Lock()
	own := h.name
	h.forget(hosts)
	h.mu.Unlock()
	for _, host := range hosts {
		if host != own {
			h.do(job{"read a stamp", host}, func() error { return h.look(host) })
		}
	}
	return nil
}
