package hypervisor

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"libvirt.org/go/libvirt"
	"libvirt.org/go/libvirtxml"
)

const (
	// captureTimeout bounds each of what is kept of a VM: it must not hold the reset up for long.
	captureTimeout = 10 * time.Second
	// mostScreen and mostConsole bound what is read.
	mostScreen, mostConsole = 64 << 20, 64 << 10
)

// Capture reads what a VM shows now: its screen as a PNG and the end of its console's log. What cannot be had is left out, and the error
// says why; the rest counts all the same.
func (d *Driver) Capture(ctx context.Context, a cluster.Action) ([]cluster.Captured, error) {
	h, _, err := d.host(a.At())
	if err != nil {
		return nil, err
	}
	var list []cluster.Captured
	var failed []error
	for _, what := range []struct {
		name, kind string
		read       func(*libvirt.Connect, *libvirt.Domain) ([]byte, error)
	}{{"screen.png", "image/png", screen}, {"console.log", "text/plain", console}} {
		data := new([]byte)
		bounded, cancel := context.WithTimeout(ctx, captureTimeout)
		err := h.conn.Call(bounded, "read "+what.name+" of "+a.Name, func(c *libvirt.Connect) error {
			dom, err := c.LookupDomainByUUIDString(a.VM)
			if err != nil {
				return err
			}
			defer free(dom)
			*data, err = what.read(c, dom)
			return err
		})
		cancel()
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", what.name, err))
			continue
		}
		list = append(list, cluster.Captured{Name: what.name, Type: what.kind, Data: *data})
	}
	return list, errors.Join(failed...)
}

// screen is the VM's first screen.
func screen(c *libvirt.Connect, dom *libvirt.Domain) ([]byte, error) {
	drawn, err := received(c, mostScreen, func(s *libvirt.Stream) error {
		_, err := dom.Screenshot(s, 0, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return asPNG(drawn)
}

// asPNG turns what QEMU draws, a PPM with three bytes a point, into a PNG; a newer one draws that itself. It is read by hand because it comes
// from the process of a VM, and the libraries for it believe whatever size it claims.
func asPNG(drawn []byte) ([]byte, error) {
	if bytes.HasPrefix(drawn, []byte("\x89PNG")) {
		return drawn, nil
	}
	var width, height, most int
	var end byte
	header := bytes.NewReader(drawn[:min(len(drawn), 64)])
	if n, err := fmt.Fscanf(header, "P6\n%d %d\n%d%c", &width, &height, &most, &end); n != 4 || most != 255 {
		return nil, fmt.Errorf("the hypervisor's picture cannot be read: %w", cmp.Or(err, errors.New("it is no PPM of 8 bits")))
	}
	points := drawn[min(len(drawn), 64)-header.Len():]
	if width < 1 || height < 1 || width > 1<<15 || height > 1<<15 || len(points) < 3*width*height {
		return nil, fmt.Errorf("the hypervisor's picture cannot be read: it claims %d by %d points and has %d bytes", width, height, len(points))
	}
	picture := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		copy(picture.Pix[4*i:], points[3*i:3*i+3])
		picture.Pix[4*i+3] = 255
	}
	var out bytes.Buffer
	err := png.Encode(&out, picture)
	return out.Bytes(), err
}

// received reads all that comes through a stream, up to so many bytes.
func received(c *libvirt.Connect, most int64, begin func(*libvirt.Stream) error) ([]byte, error) {
	s, err := c.NewStream(0)
	if err != nil {
		return nil, err
	}
	defer s.Free() //nolint:errcheck // it frees our handle only
	if err := begin(s); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(reader{s}, most))
	if err != nil || int64(len(data)) == most {
		return data, errors.Join(err, s.Abort())
	}
	return data, s.Finish()
}

// reader is a stream as Go reads things.
type reader struct{ *libvirt.Stream }

func (r reader) Read(p []byte) (int, error) {
	n, err := r.Recv(p)
	if err == nil && n == 0 {
		return 0, io.EOF
	}
	return n, err
}

// console is the end of the file that the VM's console is logged to. libvirt gives out files only as volumes of a pool; where no pool has
// the file, there is one for as long as it takes.
func console(c *libvirt.Connect, dom *libvirt.Domain) ([]byte, error) {
	vm, err := dom.GetUUIDString()
	if err != nil {
		return nil, err
	}
	text, err := dom.GetXMLDesc(0)
	if err != nil {
		return nil, err
	}
	file, err := consoleFile(text)
	if err != nil {
		return nil, err
	}
	dir, name := filepath.Split(file)
	pool, err := c.LookupStoragePoolByTargetPath(filepath.Clean(dir))
	if err != nil {
		pool, err = c.StoragePoolCreateXML(poolXML(vm, filepath.Clean(dir)), 0)
	}
	if err != nil {
		return nil, fmt.Errorf("have libvirt look into %s: %w", dir, err)
	}
	defer pool.Free()                                                                    //nolint:errcheck // it frees our handle only
	if called, err := pool.GetName(); err == nil && strings.HasPrefix(called, ourPool) { // or a server left it that was killed meanwhile
		defer pool.Destroy() //nolint:errcheck // it was for this moment only, and is gone with the daemon at the latest
	}
	if err := pool.Refresh(0); err != nil {
		return nil, fmt.Errorf("have libvirt look into %s again: %w", dir, err)
	}
	vol, err := pool.LookupStorageVolByName(name)
	if err != nil {
		return nil, err
	}
	defer vol.Free() //nolint:errcheck // the same
	info, err := vol.GetInfo()
	if err != nil {
		return nil, err
	}
	from := max(info.Capacity, mostConsole) - mostConsole
	return received(c, mostConsole+1, func(s *libvirt.Stream) error { return vol.Download(s, from, info.Capacity-from, 0) })
}

// consoleFile is where the VM's console is logged to, by its definition.
func consoleFile(definition string) (string, error) {
	var dom libvirtxml.Domain
	if err := dom.Unmarshal(definition); err != nil {
		return "", err
	}
	if dom.Devices != nil {
		for _, s := range dom.Devices.Serials {
			if s.Log != nil && s.Log.File != "" {
				return s.Log.File, nil
			}
			if s.Source != nil && s.Source.File != nil && s.Source.File.Path != "" {
				return s.Source.File.Path, nil
			}
		}
	}
	return "", errors.New("no console of it is logged; add <log file='...'/> to its <serial>")
}

// ourPool begins the names of pools that are there for a moment.
const ourPool = "evenkeel-console-"

func poolXML(vm, dir string) string {
	pool := libvirtxml.StoragePool{Type: "dir", Name: ourPool + vm, Target: &libvirtxml.StoragePoolTarget{Path: dir}}
	text, err := pool.Marshal()
	if err != nil {
		panic(err) // it is ours, and can be written
	}
	return text
}
