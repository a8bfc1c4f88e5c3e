package delivery

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pierrec/lz4/v4"
	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// kafkaBatches makes a record set as Kafka stores it: one batch for each list of records, with
// offsets from 100 on.
func kafkaBatches(t testing.TB, version int8, attributes protocol.Attributes, batches ...[]protocol.Record) (set recordSet) {
	t.Helper()
	next := uint64(100)
	for _, records := range batches {
		var out bytes.Buffer
		in := protocol.RecordSet{Version: version, Attributes: attributes, Records: protocol.NewRecordReader(records...)}
		if _, err := in.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		batch := out.Bytes()[4:]
		binary.BigEndian.PutUint64(batch, next)
		set = append(set, batch...)
		next += uint64(len(records))
	}
	return set
}

func testRecords(n int) (records []protocol.Record) {
	random := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		value := []byte(strings.Repeat(fmt.Sprintf("value %d ", i), i%7*10))
		r := protocol.Record{Time: time.UnixMilli(1_764_400_000_000 + int64(i)*7), Value: protocol.NewBytes(value)}
		switch i % 5 {
		case 1:
			r.Key = protocol.NewBytes([]byte("key"))
		case 2:
			r.Value = nil
		case 3:
			r.Headers = []protocol.Header{{Key: "a", Value: []byte("b")}, {Key: "c"}}
		case 4:
			noise := make([]byte, 300)
			for j := range noise {
				noise[j] = byte(random.Uint32())
			}
			r.Value = protocol.NewBytes(noise)
		}
		records = append(records, r)
	}
	return records
}

// The memory of a record set whose records have been read is that of the next one.
func TestRecordSetsUseMemoryAgain(t *testing.T) {
	const size, sets = 1 << 20, 100
	set := kafkaBatches(t, 2, 0, []protocol.Record{{Time: time.UnixMilli(1_764_400_000_000), Value: protocol.NewBytes(make([]byte, size))}})
	sent := append(binary.BigEndian.AppendUint32(nil, uint32(len(set))), set...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range sets {
		var answer fetchPartition
		if _, err := answer.Records.ReadFrom(bytes.NewReader(sent)); err != nil {
			t.Fatal(err)
		}
		f := new(Kafka).read(position{offset: 100}, &answer)
		if next, err := f.read(func(r record) bool { return len(r.value) == size }); next != 101 || err != nil {
			t.Fatalf("read to %d: %v", next, err)
		}
	}
	runtime.ReadMemStats(&after)
	if made := (after.TotalAlloc - before.TotalAlloc) >> 20; made > sets/2 { // with the race detector, the pool forgets every fourth
		t.Errorf("%d sets of 1 MiB took %d MiB", sets, made)
	}
}

func readAll(t testing.TB, set recordSet, from int64) (got []record, next int64) {
	t.Helper()
	next, err := readBatches(new(unpacker), from, &fetchPartition{Records: set}, func(r record) bool {
		r.value = bytes.Clone(r.value)
		got = append(got, r)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if end := set.end(); end != next {
		t.Errorf("by their heads, the batches end before offset %d, and %d was read to", end, next)
	}
	return got, next
}

// TestRecordBatches reads what was written, in each compression and with each kind of record.
func TestRecordBatches(t *testing.T) {
	t.Parallel()
	for codec := compress.None; codec <= compress.Zstd; codec++ {
		set := kafkaBatches(t, 2, protocol.Attributes(codec), testRecords(500), testRecords(1), testRecords(20))
		got, next := readAll(t, set, 0)
		if len(got) != 521 || next != 621 {
			t.Fatalf("%s: %d records up to %d, want 521 up to 621", codec, len(got), next)
		}
		want := append(append(testRecords(500), testRecords(1)...), testRecords(20)...)
		for i, r := range got {
			value, err := protocol.ReadAll(want[i].Value)
			if err != nil {
				t.Fatal(err)
			}
			if r.offset != int64(100+i) || !r.time.Equal(want[i].Time) || !bytes.Equal(r.value, value) || (r.value == nil) != (want[i].Value == nil) {
				t.Fatalf("%s: record %d is %+v, want the time %v and %q", codec, i, r, want[i].Time, value)
			}
		}
		if later, _ := readAll(t, set, 600); !reflect.DeepEqual(later, got[500:]) {
			t.Errorf("%s: from offset 600 on there are %d records, want those of the last two batches", codec, len(later))
		}
		whole := len(set)
		if cut, next := readAll(t, set[:whole-1], 0); len(cut) != 501 || next != 601 {
			t.Errorf("%s: without its last byte, the set has %d records up to %d, want 501 up to 601", codec, len(cut), next)
		}
	}
}

// TestOldMessages reads the format of before Kafka 0.11.
func TestOldMessages(t *testing.T) {
	t.Parallel()
	records := []protocol.Record{{Time: time.UnixMilli(5), Value: protocol.NewBytes([]byte("a"))}, {Time: time.UnixMilli(6), Value: protocol.NewBytes([]byte("b"))}}
	var want []record
	for i, r := range []string{"a", "b"} {
		want = append(want, record{offset: int64(i), time: time.UnixMilli(int64(5 + i)), value: []byte(r)})
	}
	var out bytes.Buffer
	set := protocol.RecordSet{Version: 1, Records: protocol.NewRecordReader(records...)}
	if _, err := set.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	if got, next := readAll(t, out.Bytes()[4:], 0); !reflect.DeepEqual(got, want) || next != 2 {
		t.Errorf("read %+v up to %d, want %+v up to 2", got, next, want)
	}
}

// TestAborted leaves out what a producer has aborted, and steps over markers.
func TestAborted(t *testing.T) {
	t.Parallel()
	batch := func(base int64, attributes protocol.Attributes, producer int64, n int) recordSet {
		set := kafkaBatches(t, 2, attributes, testRecords(n))
		binary.BigEndian.PutUint64(set, uint64(base))
		binary.BigEndian.PutUint16(set[21:], uint16(attributes))
		binary.BigEndian.PutUint64(set[43:], uint64(producer))
		binary.BigEndian.PutUint32(set[crcAt:], crc32.Checksum(set[crcEnd:], castagnoli))
		return set
	}
	const marker = protocol.Transactional | protocol.Control
	var set recordSet
	for _, b := range []recordSet{
		batch(0, protocol.Transactional, 1, 2), // aborted
		batch(2, protocol.Transactional, 2, 2),
		batch(4, 0, 1, 1),
		batch(5, protocol.Transactional, 1, 1), // aborted
		batch(6, marker, 1, 1),
		batch(7, protocol.Transactional, 1, 1),
		batch(8, marker, 1, 1),
		batch(9, marker, 2, 1),
	} {
		set = append(set, b...)
	}
	var offsets []int64
	answer := fetchPartition{Records: set, AbortedTransactions: []fetch.ResponseTransaction{{ProducerID: 1, FirstOffset: 0}}}
	next, err := readBatches(new(unpacker), 0, &answer, func(r record) bool {
		offsets = append(offsets, r.offset)
		return true
	})
	if want := []int64{2, 3, 4, 7}; err != nil || next != 10 || !reflect.DeepEqual(offsets, want) {
		t.Errorf("read the offsets %v up to %d, %v; want %v up to 10", offsets, next, err, want)
	}
}

// TestDamagedBatch keeps what comes before the damage, and returns an error in its place.
func TestDamagedBatch(t *testing.T) {
	t.Parallel()
	set := kafkaBatches(t, 2, protocol.Lz4, testRecords(10), testRecords(10))
	set[len(set)-5] ^= 1
	n := 0
	next, err := readBatches(new(unpacker), 100, &fetchPartition{Records: set}, func(record) bool { n++; return true })
	if err == nil || !strings.Contains(err.Error(), "CRC-32C") || n != 10 || next != 110 {
		t.Errorf("read %d records up to %d, %v; want 10 up to 110 and an error of the checksum", n, next, err)
	}
}

// TestLZ4Frames decompresses frames with every option of the format that a producer may choose.
func TestLZ4Frames(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, 200_000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	for _, content := range [][]byte{nil, []byte("short"), bytes.Repeat([]byte("a longer text, again and again; "), 20_000), noise} {
		for _, size := range []lz4.BlockSize{lz4.Block64Kb, lz4.Block256Kb, lz4.Block1Mb, lz4.Block4Mb} {
			for _, sums := range []bool{false, true} {
				var frame bytes.Buffer
				w := lz4.NewWriter(&frame)
				if err := w.Apply(lz4.BlockSizeOption(size), lz4.ChecksumOption(sums), lz4.BlockChecksumOption(sums), lz4.SizeOption(uint64(len(content)))); err != nil {
					t.Fatal(err)
				}
				_, err := w.Write(content)
				if err := errors.Join(err, w.Close()); err != nil {
					t.Fatal(err)
				}
				got, err := appendLZ4([]byte("before"), frame.Bytes())
				if err != nil || string(got) != "before"+string(content) {
					t.Errorf("a frame of %d bytes in blocks of %v, checksums %v: %d bytes, %v", len(content), size, sums, len(got)-len("before"), err)
				}
				if _, err := appendLZ4(nil, frame.Bytes()[:frame.Len()/2]); err == nil {
					t.Error("half a frame has no error")
				}
			}
		}
	}
}

// FuzzRecordBatches holds that damage is survived, and that what kafka-go also reads is the same.
func FuzzRecordBatches(f *testing.F) {
	for codec := compress.None; codec <= compress.Zstd; codec++ {
		f.Add([]byte(kafkaBatches(f, 2, protocol.Attributes(codec), testRecords(12), testRecords(2))))
	}
	f.Add([]byte(kafkaBatches(f, 1, 0, testRecords(3))))
	f.Fuzz(func(t *testing.T, data []byte) {
		set := recordSet(data)
		if len(set) >= recordsAt && set[magicAt] == 2 { // most changes would only be a wrong checksum
			end := min(uint64(len(set)), max(crcEnd, lengthEnd+uint64(binary.BigEndian.Uint32(set[lengthAt:]))))
			binary.BigEndian.PutUint32(set[crcAt:], crc32.Checksum(set[crcEnd:end], castagnoli))
		}
		var got []record
		_, err := readBatches(new(unpacker), 0, &fetchPartition{Records: set}, func(r record) bool {
			r.value = bytes.Clone(r.value)
			got = append(got, r)
			return len(got) < 1000
		})
		if err != nil || len(set) < recordsAt || set[magicAt] != 2 {
			return // kafka-go passes over some damage
		}
		for rest := set; len(rest) > 0; {
			b, ok, err := rest.next()
			if err != nil || !ok || b.old || b.count > len(set) { // kafka-go allocates memory for as many records as the batch says
				return
			}
		}
		sized := binary.BigEndian.AppendUint32(nil, uint32(len(set)))
		var theirs protocol.RecordSet
		if _, err := theirs.ReadFrom(bytes.NewBuffer(append(sized, set...))); err != nil || theirs.Records == nil {
			return
		}
		for i, r := range got {
			want, err := theirs.Records.ReadRecord()
			if errors.Is(err, io.EOF) {
				return // at a damaged header, which we pass over
			}
			if err != nil {
				t.Fatal(err)
			}
			value, err := protocol.ReadAll(want.Value)
			if err != nil {
				t.Fatal(err)
			}
			if r.offset == want.Offset && !bytes.Equal(r.value, value) {
				t.Fatalf("record %d is %q, with kafka-go %q", i, r.value, value)
			}
		}
	})
}

// TestFetchTypes holds that kafka-go decodes answers to fetch requests for us.
func TestFetchTypes(t *testing.T) {
	var out bytes.Buffer
	set := kafkaBatches(t, 2, 0, testRecords(3))
	answer := &fetchResponse{Topics: []fetchTopic{{Topic: "t", Partitions: []fetchPartition{{Partition: 1, HighWatermark: 9, AbortedTransactions: []fetch.ResponseTransaction{{ProducerID: 3, FirstOffset: 1}}, Records: set}}}}}
	if err := protocol.WriteResponse(&out, 11, 7, answer); err != nil {
		t.Fatal(err)
	}
	_, got, err := protocol.ReadResponse(&out, protocol.Fetch, 11)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, protocol.Message(answer)) {
		t.Errorf("read %+v, want %+v", got, answer)
	}
}
