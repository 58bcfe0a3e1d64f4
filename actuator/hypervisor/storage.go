package hypervisor

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"libvirt.org/go/libvirt"
	"libvirt.org/go/libvirtxml"
)

// disk is a disk of a VM that can be copied: one with an image of its own.
type disk struct {
	target, source, format string
	// busy tells that the hypervisor works on it. copying is the image that a copy of it goes to, empty where none is made: a commit into
	// the image below it looks much the same, and is none.
	busy    bool
	copying string
	// mirrored tells that the copy is the same as the original and kept so.
	mirrored bool
	// fixed says why it cannot be copied, empty where it can.
	fixed string
}

// disks reads the disks from the definition that the VM runs with. Discs and floppies do not move with it.
func disks(dom *libvirt.Domain) ([]disk, error) {
	text, err := dom.GetXMLDesc(0)
	if err != nil {
		return nil, err
	}
	var def libvirtxml.Domain
	if err := def.Unmarshal(text); err != nil {
		return nil, fmt.Errorf("read the definition: %w", err)
	}
	if def.Devices == nil {
		return nil, nil
	}
	var list []disk
	for _, one := range def.Devices.Disks {
		if one.Device == "cdrom" || one.Device == "floppy" || one.Target == nil {
			continue
		}
		d := disk{target: one.Target.Dev, source: path(one.Source), format: "raw"}
		if one.Driver != nil && one.Driver.Type != "" {
			d.format = one.Driver.Type
		}
		if one.Mirror != nil {
			d.busy = true
			if one.Mirror.Job == "copy" {
				d.copying, d.mirrored = path(one.Mirror.Source), one.Mirror.Ready == "yes"
			}
		}
		switch {
		case one.Shareable != nil:
			d.fixed = "is shared with other VMs, which would go on with the old image"
		case one.ReadOnly != nil:
			d.fixed = "is read-only"
		case one.Device == "lun":
			d.fixed = "is passed through"
		}
		list = append(list, d)
	}
	return list, nil
}

// path is the image or device behind a source, empty for what has no path on the host.
func path(s *libvirtxml.DomainDiskSource) string {
	switch {
	case s == nil:
	case s.File != nil:
		return s.File.File
	case s.Block != nil:
		return s.Block.Dev
	case s.Volume != nil:
		return s.Volume.Pool + "/" + s.Volume.Volume
	}
	return ""
}

// lookAtDisks notes block jobs and, where the action is to move the disks, which are not where they should be.
func lookAtDisks(c *libvirt.Connect, dom *libvirt.Domain, a cluster.Action, seen *cluster.SightingHost) error {
	list, err := disks(dom)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, d := range list {
		seen.Copying = seen.Copying || d.busy || blockJob(dom, d)
		if a.Kind != cluster.MoveStorage {
			continue
		}
		in, err := poolOf(c, d.source)
		if err != nil {
			return err
		}
		if in != a.Pool {
			seen.Elsewhere = append(seen.Elsewhere, d.target)
		}
	}
	if a.Kind == cluster.MoveStorage && len(seen.Elsewhere) > 0 && !seen.Job && !seen.Copying {
		if _, err := plan(c, dom, list, a); err != nil {
			seen.Obstacle = err.Error()
		}
	}
	return nil
}

// blockJob tells whether the hypervisor works on the disk. Those that know no such jobs have none.
func blockJob(dom *libvirt.Domain, d disk) bool {
	job, err := dom.GetBlockJobInfo(d.target, 0)
	return err == nil && job.Type != libvirt.DOMAIN_BLOCK_JOB_TYPE_UNKNOWN
}

// poolOf names the pool that an image is in, "" for none.
func poolOf(c *libvirt.Connect, image string) (string, error) {
	if pool, _, named := strings.Cut(image, "/"); named && pool != "" {
		return pool, nil // the definition names pool and volume
	}
	vol, err := c.LookupStorageVolByPath(image)
	if errors.Is(err, libvirt.ERR_NO_STORAGE_VOL) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer vol.Free() //nolint:errcheck // it frees our handle only
	pool, err := vol.LookupPoolByVolume()
	if err != nil {
		return "", err
	}
	defer pool.Free() //nolint:errcheck // the same
	return pool.GetName()
}

// moveStorage copies every disk that is not in the pool yet into it while the VM runs and, when all copies are the same as
// their originals, has the VM use the copies. The originals stay. When something fails before that, the copies are removed.
func (d *Driver) moveStorage(ctx context.Context, a cluster.Action, progress func(cluster.Progress)) error {
	h, o, err := d.host(a.From)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.StorageTimeout)
	defer cancel()
	begun := time.Now()
	made := make(chan map[string]string, 1) // read only when the call has ended
	err = h.conn.Call(ctx, "begin to copy the disks of "+a.Name, permitted(ctx, func(c *libvirt.Connect) error {
		copies, err := copyDisks(ctx, c, a, o)
		made <- copies
		return err
	}))
	var copies map[string]string
	select {
	case copies = <-made:
	default: // libvirt does not answer
	}
	if err == nil {
		err = d.awaitMirrors(ctx, h, a, copies, begun, progress)
	}
	if err == nil {
		err = h.conn.Call(ctx, "have "+a.Name+" use the copies", permitted(ctx, func(c *libvirt.Connect) error { return pivot(c, a) }))
	}
	if err == nil || context.Cause(ctx) == context.Canceled {
		return err
	}
	clean, stop := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer stop()
	return errors.Join(err, d.Abort(clean, a), h.conn.Call(clean, "remove what was copied of "+a.Name, permitted(ctx, func(c *libvirt.Connect) error { return sweep(c, a, copies) })))
}

// onDisks does something to a VM and its disks.
func onDisks(c *libvirt.Connect, a cluster.Action, f func(*libvirt.Domain, []disk) error) error {
	dom, err := c.LookupDomainByUUIDString(a.VM)
	if err != nil {
		return err
	}
	defer free(dom)
	list, err := disks(dom)
	if err != nil {
		return err
	}
	return f(dom, list)
}

// copyDisks makes an image in the pool for each disk and begins to copy. It returns the images made, by disk, also with an error.
func copyDisks(ctx context.Context, c *libvirt.Connect, a cluster.Action, o Options) (map[string]string, error) {
	images := map[string]string{}
	return images, onDisks(c, a, func(dom *libvirt.Domain, list []disk) error {
		copies, err := plan(c, dom, list, a)
		if err != nil {
			return err
		}
		pool, err := c.LookupStoragePoolByName(a.Pool)
		if err != nil {
			return err
		}
		defer pool.Free() //nolint:errcheck // it frees our handle only
		for _, one := range copies {
			if ctx.Err() != nil {
				return ctx.Err() // nobody waits for it any more
			}
			image, err := one.begin(pool, dom, a, o)
			if image != "" {
				images[one.target] = image
			}
			if err != nil {
				return fmt.Errorf("disk %s: %w", one.target, err)
			}
		}
		return nil
	})
}

// sweep removes images that were made and that the VM does not use.
func sweep(c *libvirt.Connect, a cluster.Action, images map[string]string) error {
	return onDisks(c, a, func(_ *libvirt.Domain, list []disk) error {
		var errs []error
		for _, image := range images {
			if slices.ContainsFunc(list, func(d disk) bool { return d.source == image || d.copying == image }) {
				continue
			}
			errs = append(errs, remove(c, image))
		}
		return errors.Join(errs...)
	})
}

// remove deletes an image, which may be gone already.
func remove(c *libvirt.Connect, image string) error {
	vol, err := c.LookupStorageVolByPath(image)
	if errors.Is(err, libvirt.ERR_NO_STORAGE_VOL) {
		return nil
	}
	if err == nil {
		err = errors.Join(vol.Delete(0), vol.Free())
	}
	if err != nil {
		return fmt.Errorf("the copy %s is left over: %w", image, err)
	}
	return nil
}

// plan lists the disks that are to be copied. The error says why that cannot be: there is no such pool, or it has too little room.
func plan(c *libvirt.Connect, dom *libvirt.Domain, list []disk, a cluster.Action) ([]copied, error) {
	pool, err := c.LookupStoragePoolByName(a.Pool)
	if errors.Is(err, libvirt.ERR_NO_STORAGE_POOL) {
		return nil, fmt.Errorf("%s has no storage pool %q", a.From, a.Pool)
	}
	if err != nil {
		return nil, fmt.Errorf("find the pool: %w", err)
	}
	defer pool.Free() //nolint:errcheck // it frees our handle only
	var copies []copied
	var need uint64
	for _, one := range list {
		in, err := poolOf(c, one.source)
		if err != nil {
			return nil, err
		}
		if in == a.Pool {
			continue
		}
		if one.fixed != "" {
			return nil, fmt.Errorf("disk %s %s", one.target, one.fixed)
		}
		if one.source == "" {
			return nil, fmt.Errorf("disk %s has no image on the host that could be copied", one.target)
		}
		size, err := dom.GetBlockInfo(one.target, 0)
		if err != nil {
			return nil, fmt.Errorf("ask how large disk %s is: %w", one.target, err)
		}
		need += size.Capacity
		copies = append(copies, copied{one, size.Capacity})
	}
	info, err := pool.GetInfo()
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask how much room the pool has: %w", err)
	case info.State != libvirt.STORAGE_POOL_RUNNING:
		return nil, fmt.Errorf("pool %s of %s is not active", a.Pool, a.From)
	case need > info.Available:
		return nil, fmt.Errorf("pool %s has %.1f GiB free and the disks can come to %.1f", a.Pool, float64(info.Available)/(1<<30), float64(need)/(1<<30))
	}
	return copies, nil
}

// copied is a disk and its size in bytes.
type copied struct {
	disk
	capacity uint64
}

// imageName is what the names of images begin with that are made for a disk of the VM.
func imageName(a cluster.Action, target string) string { return a.Name + "-" + target + "-" }

// begin makes an image and begins to copy the disk into it. It returns the image where one is made, also with an error.
func (d copied) begin(pool *libvirt.StoragePool, dom *libvirt.Domain, a cluster.Action, o Options) (image string, err error) {
	def := libvirtxml.StorageVolume{
		Name:     fmt.Sprintf("%s%d.%s", imageName(a, d.target), time.Now().Unix(), d.format),
		Capacity: &libvirtxml.StorageVolumeSize{Unit: "bytes", Value: d.capacity},
		Target:   &libvirtxml.StorageVolumeTarget{Format: &libvirtxml.StorageVolumeTargetFormat{Type: d.format}},
	}
	if d.format == "qcow2" {
		def.Allocation = &libvirtxml.StorageVolumeSize{Unit: "bytes", Value: 0}
	}
	text, err := def.Marshal()
	if err != nil {
		return "", err
	}
	vol, err := pool.StorageVolCreateXML(text, 0)
	if err != nil {
		return "", fmt.Errorf("make the image: %w", err)
	}
	defer vol.Free() //nolint:errcheck // it frees our handle only
	if image, err = vol.GetPath(); err != nil {
		return "", err
	}
	info, err := vol.GetInfo()
	if err != nil {
		return image, err
	}
	to := libvirtxml.DomainDisk{Driver: &libvirtxml.DomainDiskDriver{Name: "qemu", Type: d.format}, Source: &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: image}}}
	if info.Type == libvirt.STORAGE_VOL_BLOCK {
		to.Source = &libvirtxml.DomainDiskSource{Block: &libvirtxml.DomainDiskSourceBlock{Dev: image}}
	}
	if text, err = to.Marshal(); err != nil {
		return image, err
	}
	params := &libvirt.DomainBlockCopyParameters{}
	if o.BandwidthBytesPerSecond > 0 {
		params.BandwidthSet, params.Bandwidth = true, uint64(o.BandwidthBytesPerSecond)
	}
	// The job lives as long as the process of the VM: that is what libvirt asks for where the VM has a definition.
	if err := dom.BlockCopy(d.target, text, params, libvirt.DOMAIN_BLOCK_COPY_REUSE_EXT|libvirt.DOMAIN_BLOCK_COPY_TRANSIENT_JOB); err != nil {
		return image, fmt.Errorf("begin to copy: %w", err)
	}
	return image, nil
}

// awaitMirrors waits until every copy is the same as its original. One that has ended before has failed.
func (d *Driver) awaitMirrors(ctx context.Context, h *host, a cluster.Action, copies map[string]string, begun time.Time, progress func(cluster.Progress)) error {
	poll := time.NewTicker(progressInterval)
	defer poll.Stop()
	for {
		type state struct {
			done, all uint64
			ready     bool
		}
		now := &state{ready: true}
		err := d.onDomain(ctx, h, "look how far the disks of "+a.Name+" are copied", a.VM, func(dom *libvirt.Domain) error {
			list, err := disks(dom)
			if err != nil {
				return err
			}
			for _, one := range list {
				image, wanted := copies[one.target]
				if !wanted {
					continue
				}
				if one.copying != image {
					return fmt.Errorf("copying disk %s ended early; is there room in %s?", one.target, a.Pool)
				}
				job, err := dom.GetBlockJobInfo(one.target, 0)
				if err != nil {
					return err
				}
				now.done, now.all = now.done+job.Cur, now.all+job.End
				now.ready = now.ready && one.mirrored
			}
			return nil
		})
		if err != nil {
			return err
		}
		progress(cluster.Progress{ElapsedSeconds: time.Since(begun).Seconds(), TotalBytes: int64(now.all), TransferredBytes: int64(now.done), RemainingBytes: int64(now.all - now.done)})
		if now.ready {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("copy the disks of %s: not done in time: %w", a.Name, ctx.Err())
		}
	}
}

// pivot has the VM use the copies.
func pivot(c *libvirt.Connect, a cluster.Action) error {
	return mirrored(c, a, func(dom *libvirt.Domain, d disk) error {
		return dom.BlockJobAbort(d.target, libvirt.DOMAIN_BLOCK_JOB_ABORT_PIVOT)
	})
}

// abandon ends the copying and removes the copies.
func abandon(c *libvirt.Connect, a cluster.Action) error {
	return mirrored(c, a, func(dom *libvirt.Domain, d disk) error {
		if err := dom.BlockJobAbort(d.target, 0); err != nil {
			return err
		}
		return remove(c, d.copying)
	})
}

// mirrored does something to each disk that is being copied by us: into an image of the pool that bears the name that we gave. What others
// have the hypervisor do is left alone.
func mirrored(c *libvirt.Connect, a cluster.Action, f func(*libvirt.Domain, disk) error) error {
	return onDisks(c, a, func(dom *libvirt.Domain, list []disk) error {
		var errs []error
		for _, d := range list {
			if d.copying == "" || !strings.HasPrefix(filepath.Base(d.copying), imageName(a, d.target)) {
				continue
			}
			in, err := poolOf(c, d.copying)
			if err == nil && in != a.Pool {
				continue
			}
			if err == nil {
				err = f(dom, d)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("disk %s: %w", d.target, err))
			}
		}
		return errors.Join(errs...)
	})
}
