package delivery

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"errata/internal/store"
)

// plan is what the metadata of a commit holds: the boundaries of the batches from the committed
// offset on that may have been inserted, and who cut them. Whoever reads it can repeat exactly
// those inserts.
type plan struct {
	Fingerprint string // of the parser and the settings that made the rows
	Offset      int64  // the committed offset: where the first run begins
	Runs        []run  // in order, without a gap
}

// lost reports whether there is no plan of ours: nothing was ever committed, or somebody else has
// set the offset.
func (p plan) lost() bool { return p.Fingerprint == "" }

// run is the offsets first to last, both included, and the epoch of the rows that they make.
type run struct {
	first, last int64
	epoch       uint32
}

func (r run) String() string { return fmt.Sprintf("%d-%d", r.first, r.last) }

// end returns the offset behind the planned runs.
func (p plan) end() int64 {
	if len(p.Runs) == 0 {
		return p.Offset
	}
	return p.Runs[len(p.Runs)-1].last + 1
}

// leave removes the leading runs that are done, moves the offset past them, and reports whether
// there were any.
func (p *plan) leave(done []store.Recorded) bool {
	n := 0
	for n < len(p.Runs) && slices.ContainsFunc(done, func(r store.Recorded) bool {
		return r.Fingerprint == p.Fingerprint && p.Runs[n] == run{r.FirstOffset, r.LastOffset, r.Epoch}
	}) {
		p.Offset = p.Runs[n].last + 1
		n++
	}
	p.Runs = p.Runs[n:]
	return n > 0
}

// planVersion is the first field of the metadata. An ingester that meets another leaves the group.
const planVersion = "1"

// maxMetadata is how long the metadata may become: Kafka's default limit of 4,096 bytes
// (offset.metadata.max.bytes), less room for a successor whose fingerprint is longer than ours.
const maxMetadata = 4096 - 64

// errPlan means that the metadata of a commit is not a plan that we can read.
var errPlan = errors.New("the plan in the commit cannot be read")

// encode writes the metadata: version, fingerprint, the epochs as epoch*count,epoch*count,… with
// the trailing ones of epoch 0 left out, and the lengths of the runs as varints in base64.
func (p plan) encode() string {
	var lengths []byte
	var epochs []string
	for i := 0; i < len(p.Runs); {
		n := i
		for ; n < len(p.Runs) && p.Runs[n].epoch == p.Runs[i].epoch; n++ {
			lengths = binary.AppendUvarint(lengths, uint64(p.Runs[n].last-p.Runs[n].first+1))
		}
		if epoch := p.Runs[i].epoch; epoch > 0 || n < len(p.Runs) {
			epochs = append(epochs, fmt.Sprintf("%d*%d", epoch, n-i))
		}
		i = n
	}
	if epochs == nil {
		epochs = []string{"0*0"}
	}
	return fmt.Sprintf("%s;%s;%s;%s", planVersion, p.Fingerprint, strings.Join(epochs, ","), base64.RawStdEncoding.EncodeToString(lengths))
}

// full reports whether another run might not fit in the metadata.
func (p plan) full() bool {
	return len(p.encode())+base64.RawStdEncoding.EncodedLen(binary.MaxVarintLen64)+len(",4294967295*1") > maxMetadata
}

// decodePlan reads the metadata of a commit. Empty metadata is a plan without runs, since others
// may have committed for the group; any other that is not ours is an error.
func decodePlan(offset int64, metadata string) (plan, error) {
	p := plan{Offset: offset}
	if metadata == "" {
		return p, nil
	}
	fields := strings.Split(metadata, ";")
	if fields[0] != planVersion || len(fields) != 4 {
		return p, fmt.Errorf("%w: metadata %.40q", errPlan, metadata)
	}
	var epochs []uint32 // of the first runs
	for segment := range strings.SplitSeq(fields[2], ",") {
		var epoch uint32
		var count int
		if _, err := fmt.Sscanf(segment, "%d*%d", &epoch, &count); err != nil || fmt.Sprintf("%d*%d", epoch, count) != segment || count < 0 || count > maxMetadata {
			return p, fmt.Errorf("%w: epochs %q", errPlan, fields[2])
		}
		epochs = append(epochs, slices.Repeat([]uint32{epoch}, count)...)
	}
	lengths, err := base64.RawStdEncoding.DecodeString(fields[3])
	if err != nil {
		return p, fmt.Errorf("%w: %w", errPlan, err)
	}
	p.Fingerprint = fields[1]
	for next := offset; len(lengths) > 0; {
		length, n := binary.Uvarint(lengths)
		if n <= 0 || length == 0 || length > 1<<40 {
			return p, fmt.Errorf("%w: broken boundaries", errPlan)
		}
		r := run{first: next, last: next + int64(length) - 1}
		if n := len(p.Runs); n < len(epochs) {
			r.epoch = epochs[n]
		}
		p.Runs = append(p.Runs, r)
		next, lengths = next+int64(length), lengths[n:]
	}
	return p, nil
}
