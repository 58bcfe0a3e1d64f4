package heartbeat

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"time"
)

// diary keeps what is logged.
type diary struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (d *diary) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(b)
}

// count counts the lines that have the text.
func (d *diary) count(text string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Count(d.text.String(), text)
}

// storageAhead is by how much the storage's clock differs from everybody's.
const storageAhead = 1000 * time.Hour

// faulty is the real storage in the bubble's time, except that it can hang and fail for paths that have a text in them.
type faulty struct {
	mu      sync.Mutex
	storage storage
	// hang has for each text what is waited for; fail has what is given back.
	hang map[string]chan struct{}
	fail map[string]error
	// device is the file system's number, unless it is 0.
	device uint64
	// hanging counts calls that hang now.
	hanging int
}

func (f *faulty) enter(what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for text, free := range f.hang {
		if strings.Contains(what, text) {
			f.hanging++
			f.mu.Unlock()
			<-free
			f.mu.Lock()
			f.hanging--
		}
	}
	for text, err := range f.fail {
		if strings.Contains(what, text) {
			return err
		}
	}
	return nil
}

func (f *faulty) write(path string, text []byte) (time.Time, error) {
	if err := f.enter("write " + path); err != nil {
		return time.Time{}, err
	}
	if _, err := f.storage.write(path, text); err != nil {
		return time.Time{}, err
	}
	when := time.Now().Add(storageAhead)
	return when, os.Chtimes(path, when, when)
}

func (f *faulty) read(path string) ([]byte, time.Time, error) {
	if err := f.enter("read " + path); err != nil {
		return nil, time.Time{}, err
	}
	return f.storage.read(path)
}

func (f *faulty) remove(path string) error {
	if err := f.enter("remove " + path); err != nil {
		return err
	}
	return f.storage.remove(path)
}

func (f *faulty) list(dir string) ([]string, uint64, error) {
	if err := f.enter("list " + dir); err != nil {
		return nil, 0, err
	}
	names, device, err := f.storage.list(dir)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.device != 0 {
		device = f.device
	}
	return names, device, err
}

func (f *faulty) set(hang map[string]chan struct{}, fail map[string]error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hang, f.fail = hang, fail
}

func (f *faulty) mountedAs(device uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.device = device
}

func (f *faulty) stuck() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hanging
}
