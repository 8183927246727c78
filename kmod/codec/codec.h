/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Tile decoders, and validation of what a container says about its tiles.
 *
 * Contract of every decoder: input pointer and length, output pointer and
 * exact length. Reads never leave the input, for any bytes, even bytes that
 * change during the decode: each length and position is fetched once. Not so
 * zstd's: lwc_uses_zstd says for which tiles the bytes must be the caller's own.
 * Streams must be consumed exactly. The error for a malformed input is the
 * same on every ISA. On error the output is undefined.
 */
#ifndef LWC_CODEC_H
#define LWC_CODEC_H

#include "platform.h"
#include "../../uapi/lwcmem_format.h"

enum lwc_error {
	LWC_OK,
	LWC_ERR_TRUNCATED,	/* stored bytes end before what they announce */
	LWC_ERR_TRAILING,	/* stored bytes go on after what they announce */
	LWC_ERR_GEOMETRY,	/* sizes do not fit the tile */
	LWC_ERR_STREAM,		/* a stream was not consumed exactly */
	LWC_ERR_PADDING,	/* bits that must be zero are not */
	LWC_ERR_ZSTD,		/* inner zstd frame refused */
	LWC_ERR_CHAIN,		/* codec chain not allowed */
	LWC_ERR_CRC,
	LWC_ERR_MAGIC,
	LWC_ERR_VERSION,
	LWC_ERR_FEATURE,	/* unknown incompat bit */
	LWC_ERR_BOUNDS,		/* a table or tile outside the file */
	LWC_ERR_TABLE,		/* table geometry or block header wrong */
	LWC_ERR_UNANNOUNCED,	/* incompat lacks a bit of what occurs */
	LWC_ERRORS,
};

/* A short English phrase for the error; static storage. */
const char *lwc_error_string(enum lwc_error error);

/* ISA bits of a CPU and of an implementation; also the mask of overrides. */
#define LWC_ISA_SCALAR	(1u << 0)
#define LWC_ISA_BMI2	(1u << 1)
#define LWC_ISA_AVX2	(1u << 2)
#define LWC_ISA_AVX512	(1u << 3)
#define LWC_ISA_ALL	0xfu

/*
 * What the files of an ISA are compiled for. Those from AVX2 on belong to a CPU only
 * if the system keeps the registers that they use.
 */
enum lwc_cpu_flag {
	LWC_CPU_BMI1,
	LWC_CPU_BMI2,
	LWC_CPU_POPCNT,
	LWC_CPU_LZCNT,
	LWC_CPU_AVX2,
	LWC_CPU_FMA,
	LWC_CPU_F16C,
	LWC_CPU_AVX512F,
	LWC_CPU_AVX512BW,
	LWC_CPU_AVX512VL,
	LWC_CPU_AVX512DQ,
	LWC_CPU_AVX512VBMI,
	LWC_CPU_AVX512VBMI2,
	LWC_CPU_GFNI,
	LWC_CPU_FLAGS,
};

#define LWC_CPU_ALL	((1u << LWC_CPU_FLAGS) - 1)

/* The ISA bits of a CPU with these flags, a bit for each enum lwc_cpu_flag. */
u32 lwc_isa_of(u32 flags);

/* LEVELS stored bytes after validation; pointers into the input. */
struct lwc_levels_view {
	u32 count[LWC_LEVELS_MAX + 1];	/* codes of each level; after the last, escapes */
	const u8 *codes[LWC_LEVELS_MAX];
	const u8 *escapes;
	const u8 *plane[3];		/* of the rest */
	const u8 *stream;		/* of the rest */
	u8 field;
	u8 levels;
	u8 width[LWC_LEVELS_MAX];
	u8 first[LWC_LEVELS_MAX];	/* number of a level's first symbol */
	u8 symbols[2 * LWC_LEVELS_SYMBOLS]; /* as the decoders take them; zeroes behind */
	u8 kept;
	u8 planes;
	u8 stream_width;
};

struct lwc_levels_shape {
	u8 levels;
	u8 width[LWC_LEVELS_MAX];
};

/* Levels of an enum lwc_structure; NULL for an unknown one. */
const struct lwc_levels_shape *lwc_levels_shape(u8 structure);

/* "(2,2,2,2)" and so on; "?" for an unknown one. Static storage. */
const char *lwc_structure_name(u8 structure);

/*
 * Check header and geometry of a LEVELS input and set up the view.
 * weights: what the tile must hold.
 */
enum lwc_error lwc_levels_open(struct lwc_levels_view *view, u8 structure, u8 field,
			       const u8 *src, size_t src_len, u32 weights);

/*
 * Bits of symbol and mantissa, bytes of an element; i8 shares its bits between the
 * two, nibbles share a byte.
 */
struct lwc_field_layout {
	u8 symbol;
	u8 mantissa;
	u8 element;
};

extern const struct lwc_field_layout lwc_field_layouts[LWC_FIELDS];

/* Bytes of an element of an enum lwc_field, 0 for an unknown one. */
u32 lwc_field_size(u8 field);

/* May elements of the field be a DELTA? Halves of a byte may not. */
static inline bool lwc_delta_field(u8 field)
{
	return field && field <= LWC_FIELD_I8;
}

/* Weights in len bytes of a known field, a multiple of its element. */
static inline u32 lwc_field_weights(u8 field, size_t len)
{
	return (u32)(field == LWC_FIELD_NIBBLE ? 2 * len : len / lwc_field_size(field));
}

/* Bits of the symbol and of the rest of a weight of which so many mantissa bits are kept. */
static inline u32 lwc_field_symbol(u8 field, u32 kept)
{
	return lwc_field_layouts[field].symbol - (field == LWC_FIELD_I8 ? kept : 0);
}

static inline u32 lwc_field_rest(u8 field, u32 kept)
{
	return field == LWC_FIELD_NIBBLE ? 0 : kept + (field == LWC_FIELD_I8 ? 0 : 1);
}

/* Bytes of a stream of count codes of width bits. */
static inline size_t lwc_stream_bytes(u32 count, u32 width)
{
	return ((size_t)count * width + 7) / 8;
}

struct delta_streams;
struct levels_parts;

/* How GRID makes elements: see struct lwc_grid_header. */
struct lwc_grid_arithmetic {
	u8 kind;
	u8 through;
	u8 field;
};

/* Of a group; the second is the offset or the zero point. */
struct lwc_grid_parameters {
	u32 scale;
	u32 second;
};

struct lwc_impl {
	const char *name;
	u32 isa;		/* its LWC_ISA_ bit, implies the lower ones */
	bool uses_fpu;		/* kernel: wrap calls in an FPU section */
	/*
	 * One level: count codes of width bits to symbols in out; those of all
	 * ones take the symbols at next in order. Returns how many those are.
	 * codes: whole groups of 64 are read and eight bytes before the first,
	 * codes beyond count are zero.
	 * symbols: 16 can be read. out: whole groups are written. next: 64
	 * bytes more than are taken can be read.
	 */
	u32 (*level)(const u8 *codes, u32 width, const u8 *symbols, u32 count, const u8 *next,
		     u8 *out);
	/* count codes of width bits to bytes; codes and out as for level */
	void (*unpack)(const u8 *codes, u32 width, u32 count, u8 *out);
	/* count symbols, rotated where levels_turned, and the rest to elements of the field */
	void (*join)(u8 field, const u8 *symbols, const struct levels_parts *parts, u32 count,
		     u8 *dst);
	/*
	 * SPARSE: count elements to dst, the next one of src where the mask has
	 * a one, else zero. src is where the last elements of dst are, as many
	 * as the mask has ones: each is read before its place is written.
	 */
	void (*scatter)(const u8 *mask, u32 count, u32 element, const u8 *src, u8 *dst);
	/* DELTA: see delta.h */
	enum lwc_error (*delta)(const struct delta_streams *streams, u8 field, bool rare,
				const u8 *base, u32 count, u8 *dst);
	/*
	 * GRID: the elements of a group from its integers, which are behind
	 * the places of the elements in dst or in their last bytes.
	 */
	void (*grid)(const struct lwc_grid_arithmetic *arithmetic,
		     struct lwc_grid_parameters parameters, const u8 *integers, u32 count,
		     u8 *dst);
	/* interleave element bytes: plane b of count bytes at src + b * count */
	void (*planes)(const u8 *src, u8 *dst, size_t count, u32 element);
};

/*
 * The symbols of all weights that level 0 passes on, decoded to scratch:
 * LWC_SCRATCH_TILE bytes, of which the first half is free again afterwards.
 * *next: view->count[1] symbols and 128 readable bytes more. ahead: what is
 * so many bytes behind the codes is fetched into the L2 cache meanwhile; 0: nothing.
 */
enum lwc_error lwc_levels_next(const struct lwc_impl *impl, const struct lwc_levels_view *view,
			       u8 *scratch, size_t ahead, const u8 **next);

/* dst: view->count[0] elements of the field. scratch: as for lwc_levels_next. */
enum lwc_error lwc_levels_decode(const struct lwc_impl *impl, const struct lwc_levels_view *view,
				 u8 *dst, u8 *scratch);

/* All implementations, slowest first; lwc_impl_count entries. */
extern const struct lwc_impl *const lwc_impls[];
extern const unsigned int lwc_impl_count;

/* Fastest implementation whose ISA is in mask (mask: bits that the CPU has). */
const struct lwc_impl *lwc_impl_select(u32 mask);

/* What GRID makes of one integer, as it is stored: the bits of an element. */
u32 lwc_grid_element(const struct lwc_grid_arithmetic *arithmetic,
		     struct lwc_grid_parameters parameters, u8 integer);

#define LWC_SCRATCH_LEVELS	(2 * (LWC_LEVELS_WEIGHTS + 128))
#define LWC_SCRATCH_TILE	(LWC_SCRATCH_LEVELS + LWC_LEVELS_WEIGHTS / LWC_GRID_GROUP_MIN * 4)

/* Scratch of a decode: the caller's, 64-byte aligned, one user at a time. */
struct lwc_scratch {
	u8 *tile;		/* LWC_SCRATCH_TILE bytes */
	void *zstd;		/* lwc_zstd_workspace() bytes */
	size_t zstd_len;
	const u8 *base;		/* DELTA: the base's tile, decoded to dst_len bytes; or NULL */
};

/*
 * Decode one tile: src_len stored bytes (crc already checked) to exactly
 * dst_len bytes. entry: a private copy, checked by lwc_tile_check. A COPY
 * entry must have been replaced by the entry that it names.
 */
enum lwc_error lwc_tile_decode(const struct lwc_impl *impl,
			       const struct lwc_tile *entry, const u8 *src,
			       size_t src_len, u8 *dst, size_t dst_len,
			       struct lwc_scratch *scratch);

/* Does lwc_tile_decode give stored bytes of such a tile to lwc_zstd_decode? */
static inline bool lwc_uses_zstd(const struct lwc_tile *entry)
{
	return entry->chain[0] == LWC_CODEC_ZSTD || entry->chain[0] == LWC_CODEC_SPLIT ||
	       (entry->chain[0] == LWC_CODEC_PLANES && entry->chain[1] == LWC_CODEC_ZSTD);
}

/* crc32c (Castagnoli), RFC 3720; crc: 0, or the result for the bytes before. */
u32 lwc_crc32c(u32 crc, const u8 *data, size_t len);

/* --- validation: private copies in, no access to the file --- */

/*
 * sb: one slot. file_len: real length of the file. unknown: set on FEATURE.
 * Which slot to go by is for lwc_superblock_written to say, whatever this says:
 * an older model must not pass for one that cannot be read.
 */
enum lwc_error lwc_superblock_check(const struct lwc_superblock *sb,
				    u64 file_len, u64 *unknown);

/* Is the slot as somebody wrote it? */
bool lwc_superblock_written(const struct lwc_superblock *sb);

/* Entry size that a table must have, 0 for an unknown table. */
u32 lwc_table_entry_size(u32 table);

/* Block and byte in the block's payload of an entry. */
struct lwc_block_position {
	u64 block;
	u32 offset;
};
struct lwc_block_position lwc_table_position(u32 entry_size, u64 index);

enum lwc_error lwc_block_check(const struct lwc_block *block,
			       const struct lwc_superblock *sb, u32 table,
			       u64 index);

enum lwc_error lwc_object_check(const struct lwc_object *object,
				const struct lwc_superblock *sb);

/* Decoded length of tile index of the object (0..tile_count-1). */
u32 lwc_tile_length(const struct lwc_object *object, u64 index);

/*
 * The incompat bits that the entry asks for; what the members of a SPLIT ask
 * for is in its stored bytes. Of codecs that are not known none.
 */
u64 lwc_tile_features(const struct lwc_tile *entry);

enum lwc_error lwc_tile_check(const struct lwc_tile *entry,
			      const struct lwc_superblock *sb, u32 decoded_len);

/* source: the entry that a COPY names, checked by itself. Both must agree. */
enum lwc_error lwc_copy_check(const struct lwc_tile *copy, const struct lwc_tile *source);

enum lwc_error lwc_file_check(const struct lwc_file *file,
			      const struct lwc_superblock *sb);
enum lwc_error lwc_extent_check(const struct lwc_extent *extent,
				const struct lwc_superblock *sb);

/* kind and mode of a file: both 16 bits wide, one little-endian load. */
static inline u32 lwc_file_kind(const struct lwc_file *file)
{
	return lwc_le32(&file->kind) & 0xffff;
}

static inline u32 lwc_file_mode(const struct lwc_file *file)
{
	return lwc_le32(&file->kind) >> 16;
}

/* Elements in a block of the dtype, 1 unless it is quantised, and its bytes; 0 for an unknown one. */
struct lwc_dtype_block {
	u16 elements;
	u16 bytes;
};

struct lwc_dtype_block lwc_dtype_block(u32 dtype);

/* Elements in so many bytes of a known dtype, which are whole blocks. */
static inline u64 lwc_dtype_elements(u32 dtype, u64 bytes)
{
	struct lwc_dtype_block block = lwc_dtype_block(dtype);

	return bytes / block.bytes * block.elements;
}

/* Bytes of so many elements of a known dtype, which are whole blocks. */
static inline u64 lwc_dtype_bytes(u32 dtype, u64 elements)
{
	struct lwc_dtype_block block = lwc_dtype_block(dtype);

	return elements / block.elements * block.bytes;
}

/*
 * Bytes of an element of the dtype, 1 for LWC_DTYPE_BYTES, 0 for an unknown one
 * and where they come in blocks.
 */
u32 lwc_dtype_size(u32 dtype);

/* A name that may be created below a directory: see struct lwc_file. */
bool lwc_name_ok(const char *name, size_t len);

#endif
