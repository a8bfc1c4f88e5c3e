package bodycoding

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// opener begins to decompress what it reads.
type opener func(io.Reader) (io.Reader, error)

func openZlib(r io.Reader) (io.Reader, error)    { return zlib.NewReader(r) }
func openBrotli(r io.Reader) (io.Reader, error)  { return brotli.NewReader(r), nil }
func openDeflate(r io.Reader) (io.Reader, error) { return flate.NewReader(r), nil }

// openGzip reuses the memory of the last reader: it takes more than a usual body.
func (d *Decoder) openGzip(r io.Reader) (io.Reader, error) { return &d.gzip, d.gzip.Reset(r) }

func openZstd(r io.Reader) (io.Reader, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxInflated*2), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

// compressed decompresses a body that begins with the magic bytes of a compression.
func (d *Decoder) compressed() (layer, bool) {
	switch {
	case bytes.HasPrefix(d.body, []byte("\x1f\x8b")):
		return inflate(d.body, d.openGzip), true
	case bytes.HasPrefix(d.body, []byte("\x28\xb5\x2f\xfd")):
		return inflate(d.body, openZstd), true
	case len(d.body) > 2 && d.body[0] == 0x78 && binary.BigEndian.Uint16(d.body)%31 == 0 && IsBinary(d.body):
		return inflate(d.body, openZlib), true
	}
	return layer{}, false
}

// contentEncoding decompresses a body as its Content-Encoding says, where the compression has no
// magic bytes. A body that was decompressed before it was logged still has the header.
func (d *Decoder) contentEncoding() (l layer, ok bool) {
	switch {
	case strings.Contains(d.encoding, "br"):
		l = inflate(d.body, openBrotli)
	case strings.Contains(d.encoding, "deflate"): // raw, as some servers understand the word
		l = inflate(d.body, openDeflate)
	}
	return l, l.dead == Readable && len(l.body) > 0
}

// guessCompression tries the compressions that have no magic bytes. Only what comes out whole and
// as a document counts.
func (d *Decoder) guessCompression() (layer, bool) {
	if !IsBinary(d.body) && !isMixed(d.body) {
		return layer{}, false
	}
	for _, open := range []opener{openBrotli, openDeflate} {
		if l := inflate(d.body, open); l.dead == Readable && !l.cut && looksLikeDocument(l.body) && d.beginsDocument(bytes.Trim(l.body, Blank)) {
			return l, true
		}
	}
	return layer{}, false
}

// inflate decompresses a body. Of one that is cut off or damaged it returns what came before.
func inflate(body []byte, open opener) layer {
	r, err := open(bytes.NewReader(body))
	if err != nil {
		return layer{dead: Undecodable} // not even its header is whole
	}
	if c, ok := r.(io.Closer); ok {
		defer c.Close()
	}
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(r, maxInflated))
	if n == 0 && err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return layer{dead: Undecodable}
	}
	return layer{body: out.Bytes(), cut: err != nil || n == maxInflated}
}

// hasMagic reports whether a body begins as compressed ones do, or with a byte-order mark.
func hasMagic(body []byte) bool {
	for _, magic := range []string{"\x1f\x8b", "\x28\xb5\x2f\xfd", "\xef\xbb\xbf", "\x78\x9c", "\x78\x01", "\x78\xda"} {
		if bytes.HasPrefix(body, []byte(magic)) {
			return true
		}
	}
	return false
}
