package etcdstore

import (
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// opsMost is how many steps one request may have: etcd refuses more than 128. bytesMost is how much it may carry, in bytes: etcd
// refuses 1.5 MiB.
const (
	opsMost   = 100
	bytesMost = 1 << 20
)

// batch gathers steps that are written while a term lasts, and sends them when they are as many as one request takes.
type batch struct {
	term  *Term
	ops   []clientv3.Op
	bytes int
}

// room sends what was gathered, unless so many steps and bytes more still fit.
func (b *batch) room(ops, bytes int) error {
	if len(b.ops)+ops <= opsMost && b.bytes+bytes <= bytesMost {
		return nil
	}
	return b.send()
}

func (b *batch) put(key string, value []byte) {
	b.ops, b.bytes = append(b.ops, clientv3.OpPut(key, string(value))), b.bytes+len(key)+len(value)
}

func (b *batch) remove(key string) {
	b.ops, b.bytes = append(b.ops, clientv3.OpDelete(key)), b.bytes+len(key)
}

// send writes what was gathered, all or none.
func (b *batch) send() error {
	if len(b.ops) == 0 {
		return nil
	}
	err := b.term.write(b.ops...)
	b.ops, b.bytes = nil, 0
	return err
}

// write does all of the steps while the term lasts, or none. It takes 5 seconds at most. After another error than ErrDeposed nobody
// knows whether it was done; it may be tried again.
func (t *Term) write(ops ...clientv3.Op) error {
	if t == nil {
		return ErrDeposed
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	got, err := t.store.client.Txn(ctx).If(t.holds()).Then(ops...).Commit()
	switch {
	case err != nil:
		return withAdvice(err)
	case !got.Succeeded:
		return ErrDeposed
	}
	return nil
}

// read does all of the steps at once. It takes 5 seconds at most.
func (s *Store) read(ops ...clientv3.Op) (*clientv3.TxnResponse, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	got, err := s.client.Txn(ctx).Then(ops...).Commit()
	return got, withAdvice(err)
}
