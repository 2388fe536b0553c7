#include "libs/content/looks.h"

#include <zstd.h>

#include <algorithm>
#include <iterator>
#include <memory>

namespace filesync {
namespace {

// Shorter ones without a pattern are nothing unusual.
constexpr size_t kTooShort = 64;
constexpr size_t kBlock = 64;

struct Signature {
  size_t offset;
  std::string_view bytes;
};

#define FS_BYTES(text) std::string_view(text, sizeof(text) - 1)
constexpr Signature kSignatures[] = {
    {0, FS_BYTES("\xff\xd8\xff")},      // JPEG
    {0, FS_BYTES("\x89PNG")},           // PNG
    {0, FS_BYTES("GIF8")},              // GIF
    {0, FS_BYTES("RIFF")},              // WebP, WAV, AVI
    {0, FS_BYTES("II*\0")},             // TIFF, raw photographs
    {0, FS_BYTES("MM\0*")},             // TIFF
    {0, FS_BYTES("BM")},                // BMP
    {0, FS_BYTES("8BPS")},              // Photoshop
    {4, FS_BYTES("ftyp")},              // MP4, MOV, HEIC, AVIF
    {0, FS_BYTES("\x1a\x45\xdf\xa3")},  // Matroska, WebM
    {0, FS_BYTES("ID3")},               // MP3
    {0, FS_BYTES("\xff\xfb")},          // MP3 without a tag
    {0, FS_BYTES("OggS")},              // Ogg
    {0, FS_BYTES("fLaC")},              // FLAC
    {0, FS_BYTES("\x00\x00\x01\xba")},  // MPEG
    {0, FS_BYTES("PK\x03\x04")},        // ZIP, office documents, JAR
    {0, FS_BYTES("PK\x05\x06")},        // empty ZIP
    {0, FS_BYTES("\x1f\x8b")},          // gzip
    {0, FS_BYTES("BZh")},               // bzip2
    {0, FS_BYTES("\xfd"
                 "7zXZ")},              // xz
    {0, FS_BYTES("\x28\xb5\x2f\xfd")},  // zstd
    {0, FS_BYTES("\x04\x22\x4d\x18")},  // lz4
    {0, FS_BYTES("7z\xbc\xaf")},        // 7-Zip
    {0, FS_BYTES("Rar!")},              // RAR
    {0, FS_BYTES("\x78\x01")},          // zlib, Git objects
    {0, FS_BYTES("\x78\x9c")},          // zlib
    {0, FS_BYTES("\x78\xda")},          // zlib
    {0, FS_BYTES("%PDF")},              // PDF
    {0, FS_BYTES("\xd0\xcf\x11\xe0")},  // older office documents
    {0, FS_BYTES("SQLite format 3")},   // SQLite
    {0, FS_BYTES("\x7f"
                 "ELF")},               // programs
    {0, FS_BYTES("MZ")},                // programs
    {0, FS_BYTES("\xca\xfe\xba\xbe")},  // Java classes
    {0, FS_BYTES("\xcf\xfa\xed\xfe")},  // Mach-O
    {0, FS_BYTES("!<arch>")},           // static libraries, Debian packages
    {0, FS_BYTES("\xed\xab\xee\xdb")},  // RPM
    {0, FS_BYTES("wOF2")},              // fonts
    {0, FS_BYTES("wOFF")},              // fonts
    {0, FS_BYTES("PACK")},              // Git packs
    {0, FS_BYTES("\x80\x02")},          // Python pickles
    {0, FS_BYTES("\x80\x04")},          // Python pickles
    {0, FS_BYTES("\x93NUMPY")},         // NumPy
    {0, FS_BYTES("\x89HDF")},           // HDF5
    {0, FS_BYTES("PAR1")},              // Parquet
};
#undef FS_BYTES

bool HasSignature(std::string_view head) {
  return std::any_of(std::begin(kSignatures), std::end(kSignatures), [&](const Signature& known) {
    return head.size() >= known.offset + known.bytes.size() &&
           head.substr(known.offset, known.bytes.size()) == known.bytes;
  });
}

// Length of the UTF-8 sequence that `lead` begins; 0: none does.
size_t SequenceLength(uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if ((lead & 0xf0) == 0xe0) return 3;
  return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

// Nothing but printable ASCII and the control characters of text. A block of fixed size and no
// early end, so that the compiler makes few instructions of it.
bool IsPlainBlock(const char* block) {
  uint8_t odd = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    const auto c = static_cast<uint8_t>(block[i]);
    const auto from_space = static_cast<uint8_t>(c - 0x20);
    const auto from_tab = static_cast<uint8_t>(c - '\t');
    odd |= static_cast<uint8_t>((from_space > 0x7e - 0x20) & (from_tab > '\r' - '\t'));
  }
  return odd == 0;
}

bool IsText(std::string_view head) {
  size_t next_block = 0;  // before it, characters are looked at one by one
  for (size_t i = 0; i < head.size();) {
    if (i >= next_block && head.size() - i >= kBlock) {
      if (IsPlainBlock(head.data() + i)) {
        i += kBlock;
        continue;
      }
      next_block = i + kBlock;
    }
    const auto lead = static_cast<uint8_t>(head[i]);
    const bool control =
        lead == 0x7f || (lead < 0x20 && (lead < '\t' || lead > '\r') && lead != 27);
    const size_t length = SequenceLength(lead);
    if (control || length == 0) return false;
    // The last character may be cut.
    for (size_t k = 1; k < length && i + k < head.size(); ++k) {
      if ((static_cast<uint8_t>(head[i + k]) & 0xc0) != 0x80) return false;
    }
    i += length;
  }
  return true;
}

// Less than 1/32 is saved, by patterns or by some bytes being rarer than others.
bool HasNoPattern(std::string_view head) {
  struct Deleter {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  };
  thread_local std::unique_ptr<ZSTD_CCtx, Deleter> context(ZSTD_createCCtx());
  char packed[kLooksBytes + 512];
  const size_t size =
      ZSTD_compressCCtx(context.get(), packed, sizeof(packed), head.data(), head.size(), 1);
  return ZSTD_isError(size) || size >= head.size() - head.size() / 32;
}

}  // namespace

Looks LookAtBytes(std::string_view head) {
  head = head.substr(0, kLooksBytes);
  if (head.find_first_not_of(head.empty() ? '\0' : head.front()) == std::string_view::npos) {
    return Looks::kBlank;
  }
  if (head.size() < kTooShort || IsText(head)) return Looks::kText;
  if (HasSignature(head)) return Looks::kKnown;
  return HasNoPattern(head) ? Looks::kScrambled : Looks::kOther;
}

Looks LookAtHead(const absl::Cord& bytes) {
  return LookAtBytes(std::string(bytes.Subcord(0, kLooksBytes)));
}

}  // namespace filesync
