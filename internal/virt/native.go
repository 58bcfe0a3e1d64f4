package virt

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// What follows is libvirt's stable ABI. Its headers are not needed to build, and its library is opened
// when the program runs, as the binding opens it.
#define EK_FIELD 80
typedef struct { char field[EK_FIELD]; int type; union { int i; unsigned int ui; long long l; unsigned long long ul; double d; char b; char *s; } value; } ek_param;
typedef struct { void *dom; ek_param *params; int nparams; } ek_stats;
typedef struct { unsigned char state; unsigned long max_mem; unsigned long memory; unsigned short vcpus; unsigned long long cpu_time; } ek_info;

typedef struct { char uuid[37]; const char *name; unsigned int id; void *dom; ek_param *params; int nparams; } ek_record;
typedef struct { ek_stats **raw; ek_record *records; int n; int code; const char *message; } ek_answer;

static int (*all_stats)(void *, unsigned int, ek_stats ***, unsigned int);
static int (*list_stats)(void **, unsigned int, ek_stats ***, unsigned int);
static void (*free_stats)(ek_stats **);
static void *(*lookup)(void *, const char *);
static int (*free_domain)(void *);
static int (*get_uuid)(void *, char *);
static const char *(*get_name)(void *);
static unsigned int (*get_id)(void *);
static int (*get_info)(void *, ek_info *);
static int (*error_code)(void);
static const char *(*error_message)(void);
static int (*run_events)(void);

// ek_load finds the functions and returns the name of what is missing.
static const char *ek_load(void) {
	struct { const char *name; void **to; } all[] = {
		{"virConnectGetAllDomainStats", (void **)&all_stats}, {"virDomainListGetStats", (void **)&list_stats}, {"virDomainStatsRecordListFree", (void **)&free_stats},
		{"virDomainLookupByUUIDString", (void **)&lookup}, {"virDomainFree", (void **)&free_domain},
		{"virDomainGetUUIDString", (void **)&get_uuid}, {"virDomainGetName", (void **)&get_name}, {"virDomainGetID", (void **)&get_id},
		{"virDomainGetInfo", (void **)&get_info}, {"virGetLastErrorCode", (void **)&error_code},
		{"virGetLastErrorMessage", (void **)&error_message}, {"virEventRunDefaultImpl", (void **)&run_events},
	};
#ifdef M_ARENA_MAX
	// libvirt is called from many threads, for each of which glibc would keep memory of its own.
	mallopt(M_ARENA_MAX, 1);
#endif
	void *lib = dlopen("libvirt.so.0", RTLD_NOW);
	if (!lib)
		return "libvirt.so.0";
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (!(*all[i].to = dlsym(lib, all[i].name)))
			return all[i].name;
	return NULL;
}

// ek_ask asks for all domains' statistics, or for those of the named ones. Of these, what is not there
// any more is left out.
static int ek_ask(void *conn, char **uuids, int n, unsigned int groups, unsigned int flags, ek_stats ***raw) {
	if (n < 0)
		return all_stats(conn, groups, raw, flags);
	void **doms = calloc(n + 1, sizeof *doms);
	if (!doms)
		abort();
	int found = 0, got = 0;
	for (int i = 0; i < n; i++)
		if ((doms[found] = lookup(conn, uuids[i])))
			found++;
	if (found)
		got = list_stats(doms, groups, raw, flags);
	for (int i = 0; i < found; i++)
		free_domain(doms[i]);
	free(doms);
	return got;
}

// ek_get makes an answer, whose memory is libvirt's until ek_free.
static void ek_get(void *conn, char **uuids, int n, unsigned int groups, unsigned int flags, ek_answer *out) {
	memset(out, 0, sizeof *out);
	out->n = ek_ask(conn, uuids, n, groups, flags, &out->raw);
	if (out->n >= 0 && !(out->records = calloc(out->n + 1, sizeof *out->records)))
		abort();
	if (out->n < 0) {
		// The error is this thread's, so that it must be fetched within this call.
		out->code = error_code();
		out->message = strdup(error_message());
		return;
	}
	for (int i = 0; i < out->n; i++) {
		ek_record *r = &out->records[i];
		r->dom = out->raw[i]->dom;
		r->params = out->raw[i]->params;
		r->nparams = out->raw[i]->nparams;
		r->name = get_name(r->dom);
		r->id = get_id(r->dom);
		if (get_uuid(r->dom, r->uuid) < 0)
			r->uuid[0] = 0;
	}
}

static void ek_free(ek_answer *a) {
	if (a->raw)
		free_stats(a->raw);
	free(a->records);
	free((void *)a->message);
}

static int ek_info_of(void *dom, ek_info *info) { return get_info(dom, info); }

static void ek_run_events(void) {
	for (;;)
		if (run_events() < 0)
			usleep(10000); // it concerns one descriptor; the loop goes on
}
*/
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"libvirt.org/go/libvirt"
)

// load finds libvirt's functions, once in the process.
var load = sync.OnceValue(func() error {
	if missing := C.ek_load(); missing != nil {
		return fmt.Errorf("libvirt's client library lacks %s; is it older than 4.5?", C.GoString(missing))
	}
	return nil
})

// Record is what libvirt's bulk call tells of one domain. It is valid only while Stats hands it out.
type Record struct {
	UUID, Name string
	// ID is the domain's number on its host, 0 while it is not active.
	ID uint

	params []param
	dom    unsafe.Pointer
}

// param mirrors libvirt's typed parameter.
type param struct {
	field [C.EK_FIELD]byte
	kind  int32
	_     int32
	value [8]byte
}

// Stats calls libvirt's bulk call and hands out one record after the other: of the domains with the
// UUIDs, or of all where uuids is nil. The binding has the call as well; it costs several times the
// CPU, and asks the daemon once more for each domain, which a domain that is busy can hold up.
func Stats(c *libvirt.Connect, uuids []string, groups libvirt.DomainStatsTypes, flags libvirt.ConnectGetAllDomainStatsFlags, each func(Record)) error {
	if err := load(); err != nil {
		return err
	}
	conn, err := c.RawPtr()
	if err != nil {
		return fmt.Errorf("hold the connection: %w", err)
	}
	defer func() { _, _ = libvirt.CloseRawPtr(conn) }() // it gives back what RawPtr took
	n, names := C.int(-1), []*C.char{nil}
	if uuids != nil {
		n, names = C.int(len(uuids)), make([]*C.char, len(uuids)+1)
		for i, id := range uuids {
			names[i] = C.CString(id)
			defer C.free(unsafe.Pointer(names[i]))
		}
	}
	var a C.ek_answer
	C.ek_get(unsafe.Pointer(conn), &names[0], n, C.uint(groups), C.uint(flags), &a)
	defer C.ek_free(&a)
	if a.n < 0 {
		return &Error{Code: libvirt.ErrorNumber(a.code), Message: C.GoString(a.message)}
	}
	for _, r := range unsafe.Slice(a.records, a.n) {
		rec := Record{UUID: C.GoString(&r.uuid[0]), Name: C.GoString(r.name), ID: uint(r.id), dom: r.dom}
		if rec.ID == ^uint(0)>>32 {
			rec.ID = 0 // -1 stands for a domain that is not active
		}
		if r.nparams > 0 {
			rec.params = unsafe.Slice((*param)(unsafe.Pointer(r.params)), r.nparams)
		}
		each(rec)
	}
	return nil
}

// Each hands out the record's parameters by name ("balloon.rss", "block.0.rd.bytes").
func (r Record) Each(f func(name string, v Value)) {
	for i := range r.params {
		p := &r.params[i]
		end := max(bytes.IndexByte(p.field[:], 0), 0)
		// The name lives as long as the record does.
		f(unsafe.String(&p.field[0], end), Value{p})
	}
}

// Value is a parameter's value. It is valid as long as its record.
type Value struct{ p *param }

// Kinds of typed parameters, in libvirt's numbers.
const (
	kindInt = iota + 1
	kindUint
	kindLong
	kindUlong
	kindDouble
	kindBool
	kindString
)

// Uint is a whole number; 0 where it is negative or not one.
func (v Value) Uint() uint64 {
	at := unsafe.Pointer(&v.p.value[0])
	switch v.p.kind {
	case kindInt:
		return uint64(max(*(*int32)(at), 0))
	case kindUint:
		return uint64(*(*uint32)(at))
	case kindLong:
		return uint64(max(*(*int64)(at), 0))
	case kindUlong:
		return *(*uint64)(at)
	case kindBool:
		return uint64(v.p.value[0])
	}
	return 0
}

// Text is a copy of a string, empty where it is none.
func (v Value) Text() string {
	if v.p.kind != kindString {
		return ""
	}
	return C.GoString(*(**C.char)(unsafe.Pointer(&v.p.value[0])))
}

// Info is what libvirt tells of a domain beside its statistics.
type Info struct {
	VCPUs int
	// MaxMemory and Memory are KiB, CPUTime nanoseconds.
	MaxMemory, Memory, CPUTime uint64
}

// Info asks for it, which is a call to the daemon.
func (r Record) Info() (Info, error) {
	var i C.ek_info
	if C.ek_info_of(r.dom, &i) < 0 {
		return Info{}, errors.New("read domain " + r.UUID)
	}
	return Info{VCPUs: int(i.vcpus), MaxMemory: uint64(i.max_mem), Memory: uint64(i.memory), CPUTime: uint64(i.cpu_time)}, nil
}

// runEvents serves libvirt's event loop for good. It is one call that never comes back: a call for
// each event would have Go's scheduler look after it again and again.
func runEvents() { C.ek_run_events() }
