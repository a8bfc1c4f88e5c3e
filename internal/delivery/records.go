package delivery

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// kafka-go unpacks all record batches of an answer at once, into pages of its own, and copies each
// value out of them. This file takes the batches as they came and unpacks one at a time, into
// memory that is used again; a value is a part of that memory.
// https://kafka.apache.org/documentation/#recordbatch describes them.

// fetchResponse is fetch.Response with the record batches as they came.
type fetchResponse struct {
	ThrottleTimeMs int32        `kafka:"min=v1,max=v11"`
	ErrorCode      int16        `kafka:"min=v7,max=v11"`
	SessionID      int32        `kafka:"min=v7,max=v11"`
	Topics         []fetchTopic `kafka:"min=v0,max=v11"`
}

type fetchTopic struct {
	Topic      string           `kafka:"min=v0,max=v11"`
	Partitions []fetchPartition `kafka:"min=v0,max=v11"`
}

type fetchPartition struct {
	Partition            int32                       `kafka:"min=v0,max=v11"`
	ErrorCode            int16                       `kafka:"min=v0,max=v11"`
	HighWatermark        int64                       `kafka:"min=v0,max=v11"`
	LastStableOffset     int64                       `kafka:"min=v4,max=v11"`
	LogStartOffset       int64                       `kafka:"min=v5,max=v11"`
	AbortedTransactions  []fetch.ResponseTransaction `kafka:"min=v4,max=v11"`
	PreferredReadReplica int32                       `kafka:"min=v11,max=v11"`
	Records              recordSet                   `kafka:"min=v0,max=v11"`
}

// ApiKey returns the kind of request that it answers.
func (*fetchResponse) ApiKey() protocol.ApiKey { return protocol.Fetch }

func init() { // before any connection reads kafka-go's table of message types
	protocol.Register(&fetch.Request{}, &fetchResponse{})
}

// recordSet is record batches as Kafka stores them. The last one may be cut off.
type recordSet []byte

// ReadFrom reads a record set with its length before it.
func (s *recordSet) ReadFrom(from io.Reader) (int64, error) {
	var head [4]byte
	if n, err := io.ReadFull(from, head[:]); err != nil {
		return int64(n), err
	}
	*s = newRecordSet(max(0, int(int32(binary.BigEndian.Uint32(head[:])))))
	n, err := io.ReadFull(from, *s)
	return int64(len(head) + n), err
}

// freed is the memory of record sets that have been read, each some megabytes. To clear and collect
// it for every answer costs more than to keep it.
var freed sync.Pool

func newRecordSet(size int) recordSet {
	if size == 0 {
		return nil
	}
	if old, ok := freed.Get().(*recordSet); ok && cap(*old) >= size {
		return (*old)[:size]
	}
	return make(recordSet, size)
}

// free gives the memory of the set to others. Nothing may use it afterwards.
func (s *recordSet) free() {
	if set := *s; set != nil {
		*s = nil
		freed.Put(&set)
	}
}

// Places in a record batch.
const (
	lengthAt  = 8
	lengthEnd = 12 // what the length counts begins here
	magicAt   = 16 // the version of the format
	crcAt     = 17
	crcEnd    = 21 // what the checksum covers begins here

	lastOffsetAt = 23 // less the first
	recordsAt    = 61
)

// recordBatch is one batch.
type recordBatch struct {
	old                 bool // a message set of before Kafka 0.11
	base, last          int64
	attributes          protocol.Attributes
	firstTime, producer int64
	count               int
	bytes               []byte // all of it
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// next takes the first batch off the set. It returns false at the end, also if the rest of the last
// batch was cut off. After an error there is nothing to continue with.
func (s *recordSet) next() (b recordBatch, ok bool, err error) {
	if len(*s) <= magicAt {
		return b, false, nil
	}
	length := int(int32(binary.BigEndian.Uint32((*s)[lengthAt:])))
	if length <= magicAt-lengthEnd {
		return b, false, fmt.Errorf("a batch of records says that it has %d bytes", length)
	}
	if lengthEnd+length > len(*s) {
		return b, false, nil
	}
	b.bytes = (*s)[:lengthEnd+length]
	*s = (*s)[len(b.bytes):]
	if magic := b.bytes[magicAt]; magic < 2 {
		b.old = true
		return b, true, nil
	} else if magic > 2 || len(b.bytes) < recordsAt {
		return b, false, fmt.Errorf("a batch of records has format %d and %d bytes: only formats up to 2 are known", magic, len(b.bytes))
	}
	if found, want := crc32.Checksum(b.bytes[crcEnd:], castagnoli), binary.BigEndian.Uint32(b.bytes[crcAt:]); found != want {
		return b, false, fmt.Errorf("a batch of records is damaged: its CRC-32C is %08x, and %08x of its bytes", want, found)
	}
	b.base = int64(binary.BigEndian.Uint64(b.bytes))
	b.attributes = protocol.Attributes(binary.BigEndian.Uint16(b.bytes[21:]))
	b.last = b.base + int64(int32(binary.BigEndian.Uint32(b.bytes[lastOffsetAt:])))
	b.firstTime = int64(binary.BigEndian.Uint64(b.bytes[27:]))
	b.producer = int64(binary.BigEndian.Uint64(b.bytes[43:]))
	if b.count = int(int32(binary.BigEndian.Uint32(b.bytes[57:]))); b.count < 0 {
		return b, false, fmt.Errorf("a batch of records says that it has %d records", b.count)
	}
	return b, true, nil
}

// end returns the offset behind the last whole batch of the set, 0 if there is none, by what the
// heads of the batches say.
func (s recordSet) end() (next int64) {
	for len(s) > magicAt {
		length := lengthEnd + int64(int32(binary.BigEndian.Uint32(s[lengthAt:])))
		isNew := s[magicAt] >= 2
		if length <= magicAt || length > int64(len(s)) || isNew && length < recordsAt {
			break
		}
		next = int64(binary.BigEndian.Uint64(s)) + 1
		if isNew {
			next += int64(int32(binary.BigEndian.Uint32(s[lastOffsetAt:])))
		}
		s = s[length:]
	}
	return next
}

// each passes the records on one by one until use returns false. Their values are in the memory of
// the batch or of the unpacker, and valid until use returns.
func (b *recordBatch) each(u *unpacker, use func(record) (more bool)) error {
	if b.old {
		return b.eachOld(use)
	}
	rest, err := u.unpack(b.attributes.Compression(), b.bytes[recordsAt:])
	if err != nil {
		return err
	}
	for i := range b.count {
		length, n := binary.Varint(rest)
		if n <= 0 || length < 1 || length > int64(len(rest)-n) {
			return fmt.Errorf("record %d of %d of a batch is damaged", i, b.count)
		}
		fields := fields{rest: rest[n+1 : n+int(length)]} // after the attributes
		rest = rest[n+int(length):]
		r := record{time: time.UnixMilli(b.firstTime + fields.varint()), offset: b.base + fields.varint()}
		fields.bytes() // the key
		r.value = fields.bytes()
		if fields.damaged {
			return fmt.Errorf("record %d of %d of a batch is damaged", i, b.count)
		}
		if !use(r) {
			return nil
		}
	}
	return nil
}

// fields reads the fields of a record. What is behind the value, headers, is of no interest.
type fields struct {
	rest    []byte
	damaged bool
}

func (f *fields) varint() int64 {
	v, n := binary.Varint(f.rest)
	if n <= 0 {
		f.damaged = true
		return 0
	}
	f.rest = f.rest[n:]
	return v
}

// bytes reads bytes with their length before them: nil if the length is negative.
func (f *fields) bytes() []byte {
	n := f.varint()
	if n < 0 || f.damaged {
		return nil
	}
	if n > int64(len(f.rest)) {
		f.damaged = true
		return nil
	}
	v := f.rest[:n:n]
	f.rest = f.rest[n:]
	return v
}

// eachOld is each for a message set, which kafka-go reads.
func (b *recordBatch) eachOld(use func(record) (more bool)) error {
	sized := binary.BigEndian.AppendUint32(nil, uint32(len(b.bytes)))
	var set protocol.RecordSet
	if _, err := set.ReadFrom(bytes.NewBuffer(append(sized, b.bytes...))); err != nil || set.Records == nil {
		return err
	}
	for {
		in, err := set.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		value, err := protocol.ReadAll(in.Value)
		if err != nil {
			return err
		}
		if !use(record{offset: in.Offset, time: in.Time, value: value}) {
			return nil
		}
	}
}

// unpacker decompresses batches of records, each into the memory of the one before.
type unpacker struct {
	buf  []byte
	zstd *zstd.Decoder
}

// keptUnpacked is how much memory is kept for the next batch.
const keptUnpacked = 8 << 20

// unpack returns the records of a batch, valid until the next call.
func (u *unpacker) unpack(codec compress.Compression, packed []byte) (records []byte, err error) {
	if cap(u.buf) > keptUnpacked {
		u.buf = nil
	}
	switch codec {
	case compress.None:
		return packed, nil
	case compress.Lz4:
		u.buf, err = appendLZ4(u.buf[:0], packed)
	case compress.Zstd:
		if u.zstd == nil {
			if u.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1)); err != nil {
				return nil, err
			}
		}
		u.buf, err = u.zstd.DecodeAll(packed, u.buf[:0])
	default:
		known := codec.Codec()
		if known == nil {
			return nil, fmt.Errorf("a batch of records has the unknown compression %d", codec)
		}
		from := known.NewReader(bytes.NewReader(packed))
		to := bytes.NewBuffer(u.buf[:0])
		_, err = to.ReadFrom(from)
		u.buf = to.Bytes()
		from.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("decompress a batch of records (%s): %w", codec, err)
	}
	return u.buf, nil
}

// LZ4 frames: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
const (
	lz4Magic       = 0x184D2204
	lz4BlockSums   = 1 << 4
	lz4ContentSize = 1 << 3
	lz4DictID      = 1 << 0
	lz4Window      = 64 << 10 // of what came before, to which a block may refer
	lz4Stored      = 1 << 31  // of a block's size: it is not compressed
)

var errLZ4 = errors.New("the LZ4 frame is damaged")

// appendLZ4 appends the content of an LZ4 frame. It skips the frame's own checksums, because that
// of the batch of records covers the frame, and some producers write none.
func appendLZ4(to, frame []byte) ([]byte, error) {
	if len(frame) < 7 || binary.LittleEndian.Uint32(frame) != lz4Magic {
		return to, errLZ4
	}
	flags, largest := frame[4], 64<<10<<(2*max(0, int(frame[5]>>4&7)-4))
	head := 7
	if flags&lz4ContentSize != 0 {
		head += 8
	}
	if flags&lz4DictID != 0 {
		head += 4
	}
	for rest := frame[min(head, len(frame)):]; ; {
		if len(rest) < 4 {
			return to, errLZ4
		}
		size := binary.LittleEndian.Uint32(rest)
		if size == 0 { // the end of the frame
			return to, nil
		}
		n := int(size &^ lz4Stored)
		if n > len(rest)-4 {
			return to, errLZ4
		}
		block := rest[4 : 4+n]
		rest = rest[4+n:]
		if flags&lz4BlockSums != 0 {
			rest = rest[min(4, len(rest)):]
		}
		if size&lz4Stored != 0 {
			to = append(to, block...)
			continue
		}
		to = slices.Grow(to, min(largest, 255*n)) // no byte of a block becomes more
		window := to[max(0, len(to)-lz4Window):]
		m, err := lz4.UncompressBlockWithDict(block, to[len(to):cap(to)], window)
		if err != nil {
			return to, err
		}
		to = to[:len(to)+m]
	}
}
