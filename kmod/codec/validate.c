// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/*
 * What a container says about itself is checked here and nowhere else, for the
 * module and for userspace alike. Every argument is a private copy.
 */
#include "codec.h"

static const char *const messages[LWC_ERRORS] = {
	[LWC_OK] = "no error",
	[LWC_ERR_TRUNCATED] = "stored bytes end too early",
	[LWC_ERR_TRAILING] = "stored bytes go on too long",
	[LWC_ERR_GEOMETRY] = "sizes do not fit the tile",
	[LWC_ERR_STREAM] = "a code stream is not consumed exactly",
	[LWC_ERR_PADDING] = "bits that must be zero are set",
	[LWC_ERR_ZSTD] = "zstd frame is damaged or has another size",
	[LWC_ERR_CHAIN] = "codec chain is not allowed",
	[LWC_ERR_CRC] = "checksum does not match",
	[LWC_ERR_MAGIC] = "not an .lwc file",
	[LWC_ERR_VERSION] = "format version is not supported",
	[LWC_ERR_FEATURE] = "needs a feature that this reader does not know",
	[LWC_ERR_BOUNDS] = "points outside the file or its table",
	[LWC_ERR_TABLE] = "table is malformed",
	[LWC_ERR_UNANNOUNCED] = "needs a feature that the superblock does not announce",
};

const char *lwc_error_string(enum lwc_error error)
{
	return (unsigned int)error < LWC_ERRORS ? messages[error] : "unknown error";
}

struct lwc_dtype_block lwc_dtype_block(u32 dtype)
{
	static const struct lwc_dtype_block blocks[LWC_DTYPES] = {
		[LWC_DTYPE_BYTES] = { 1, 1 },
		[LWC_DTYPE_BF16] = { 1, 2 },
		[LWC_DTYPE_F16] = { 1, 2 },
		[LWC_DTYPE_F32] = { 1, 4 },
		[LWC_DTYPE_F64] = { 1, 8 },
		[LWC_DTYPE_F8_E4M3] = { 1, 1 },
		[LWC_DTYPE_F8_E5M2] = { 1, 1 },
		[LWC_DTYPE_I8] = { 1, 1 },
		[LWC_DTYPE_U8] = { 1, 1 },
		[LWC_DTYPE_I16] = { 1, 2 },
		[LWC_DTYPE_U16] = { 1, 2 },
		[LWC_DTYPE_I32] = { 1, 4 },
		[LWC_DTYPE_U32] = { 1, 4 },
		[LWC_DTYPE_I64] = { 1, 8 },
		[LWC_DTYPE_U64] = { 1, 8 },
		[LWC_DTYPE_BOOL] = { 1, 1 },
		[LWC_DTYPE_Q4_0] = { 32, 18 },
		[LWC_DTYPE_Q4_1] = { 32, 20 },
		[LWC_DTYPE_Q5_0] = { 32, 22 },
		[LWC_DTYPE_Q5_1] = { 32, 24 },
		[LWC_DTYPE_Q8_0] = { 32, 34 },
		[LWC_DTYPE_Q8_1] = { 32, 36 },
		[LWC_DTYPE_Q2_K] = { 256, 84 },
		[LWC_DTYPE_Q3_K] = { 256, 110 },
		[LWC_DTYPE_Q4_K] = { 256, 144 },
		[LWC_DTYPE_Q5_K] = { 256, 176 },
		[LWC_DTYPE_Q6_K] = { 256, 210 },
		[LWC_DTYPE_Q8_K] = { 256, 292 },
		[LWC_DTYPE_IQ1_S] = { 256, 50 },
		[LWC_DTYPE_IQ1_M] = { 256, 56 },
		[LWC_DTYPE_IQ2_XXS] = { 256, 66 },
		[LWC_DTYPE_IQ2_XS] = { 256, 74 },
		[LWC_DTYPE_IQ2_S] = { 256, 82 },
		[LWC_DTYPE_IQ3_XXS] = { 256, 98 },
		[LWC_DTYPE_IQ3_S] = { 256, 110 },
		[LWC_DTYPE_IQ4_NL] = { 32, 18 },
		[LWC_DTYPE_IQ4_XS] = { 256, 136 },
		[LWC_DTYPE_TQ1_0] = { 256, 54 },
		[LWC_DTYPE_TQ2_0] = { 256, 66 },
		[LWC_DTYPE_MXFP4] = { 32, 17 },
		[LWC_DTYPE_NVFP4] = { 64, 36 },
		[LWC_DTYPE_Q1_0] = { 128, 18 },
		[LWC_DTYPE_Q2_0] = { 64, 18 },
	};
	static const struct lwc_dtype_block none;

	return dtype < LWC_DTYPES ? blocks[dtype] : none;
}

u32 lwc_dtype_size(u32 dtype)
{
	struct lwc_dtype_block block = lwc_dtype_block(dtype);

	return block.elements == 1 ? block.bytes : 0;
}

u32 lwc_table_entry_size(u32 table)
{
	switch (table) {
	case LWC_TABLE_FILES:
		return sizeof(struct lwc_file);
	case LWC_TABLE_EXTENTS:
		return sizeof(struct lwc_extent);
	case LWC_TABLE_OBJECTS:
		return sizeof(struct lwc_object);
	case LWC_TABLE_TILES:
		return sizeof(struct lwc_tile);
	case LWC_TABLE_DEPS:
		return sizeof(struct lwc_dep);
	case LWC_TABLE_NAMES:
		return 1;
	default:
		return 0;
	}
}

struct lwc_block_position lwc_table_position(u32 entry_size, u64 index)
{
	u32 per_block = LWC_BLOCK_PAYLOAD / entry_size;
	struct lwc_block_position at;

	at.block = index / per_block;
	at.offset = (u32)(index % per_block) * entry_size;
	return at;
}

static bool zeroes(const u8 *data, size_t len)
{
	while (len--)
		if (*data++)
			return false;
	return true;
}

/* offset .. offset + len lies in the data area of the generation. */
static bool inside(const struct lwc_superblock *sb, u64 offset, u64 len)
{
	u64 end;

	return offset >= LWC_DATA_START && !check_add_overflow(offset, len, &end) &&
	       end <= lwc_le64(&sb->file_size);
}

static bool table_inside(const struct lwc_superblock *sb, u32 table)
{
	const struct lwc_table_ref *ref = &sb->tables[table];
	u64 count = lwc_le64(&ref->count), bytes;
	u32 size = lwc_table_entry_size(table), per_block = LWC_BLOCK_PAYLOAD / size;

	if (lwc_le32(&ref->entry_size) != size || lwc_le32(&ref->reserved))
		return false;
	if (!count)
		return !ref->offset;
	if (lwc_le64(&ref->offset) % LWC_BLOCK_SIZE)
		return false;
	if (check_mul_overflow((count - 1) / per_block + 1, (u64)LWC_BLOCK_SIZE, &bytes))
		return false;
	return inside(sb, lwc_le64(&ref->offset), bytes);
}

static bool crc_right(const struct lwc_superblock *sb)
{
	const u8 *bytes = (const u8 *)sb;

	return lwc_crc32c(0, bytes + 16, LWC_SUPERBLOCK_SIZE - 16) == lwc_le32(&sb->crc);
}

bool lwc_superblock_written(const struct lwc_superblock *sb)
{
	return !memcmp(sb->magic, LWC_MAGIC, LWC_MAGIC_SIZE) && lwc_le64(&sb->generation) &&
	       crc_right(sb);
}

enum lwc_error lwc_superblock_check(const struct lwc_superblock *sb, u64 file_len, u64 *unknown)
{
	u32 align = lwc_le32(&sb->payload_align), table;

	*unknown = 0;
	if (memcmp(sb->magic, LWC_MAGIC, LWC_MAGIC_SIZE))
		return LWC_ERR_MAGIC;
	if (!crc_right(sb))
		return LWC_ERR_CRC;
	if (lwc_le32(&sb->version) != LWC_VERSION)
		return LWC_ERR_VERSION;
	*unknown = lwc_le64(&sb->incompat) & ~LWC_INCOMPAT_KNOWN;
	if (*unknown)
		return LWC_ERR_FEATURE;
	if (!lwc_le64(&sb->generation) || lwc_le64(&sb->file_size) > file_len ||
	    lwc_le64(&sb->file_size) < LWC_DATA_START)
		return LWC_ERR_BOUNDS;
	if (lwc_le32(&sb->reserved0) || !zeroes(sb->reserved, sizeof(sb->reserved)))
		return LWC_ERR_TABLE;
	if (!align || align & (align - 1) || align > LWC_PAYLOAD_ALIGN_MAX)
		return LWC_ERR_TABLE;
	for (table = 0; table < LWC_TABLES; table++)
		if (!table_inside(sb, table))
			return LWC_ERR_TABLE;
	if (lwc_le64(&sb->tables[LWC_TABLE_DEPS].count) > LWC_MAX_DEPS)
		return LWC_ERR_TABLE;
	if (lwc_le64(&sb->tables[LWC_TABLE_DEPS].count) &&
	    !(lwc_le64(&sb->incompat) & LWC_INCOMPAT_DELTA))
		return LWC_ERR_TABLE;
	return LWC_OK;
}

/* Bytes that the entries in block index of a table take. */
static u32 block_used(const struct lwc_superblock *sb, u32 table, u64 index)
{
	u32 size = lwc_table_entry_size(table), per_block = LWC_BLOCK_PAYLOAD / size;
	u64 count = lwc_le64(&sb->tables[table].count);

	if (index < count / per_block)
		return per_block * size;
	return index == count / per_block ? (u32)(count % per_block) * size : 0;
}

enum lwc_error lwc_block_check(const struct lwc_block *block, const struct lwc_superblock *sb,
			       u32 table, u64 index)
{
	const u8 *bytes = (const u8 *)block;
	u32 used = block_used(sb, table, index);

	if (lwc_crc32c(0, bytes + 4, LWC_BLOCK_SIZE - 4) != lwc_le32(&block->crc))
		return LWC_ERR_CRC;
	if (lwc_le32(&block->table) != table || lwc_le64(&block->index) != index ||
	    memcmp(block->uuid, sb->uuid, sizeof(sb->uuid)))
		return LWC_ERR_TABLE;
	if (!zeroes(block->payload + used, LWC_BLOCK_PAYLOAD - used))
		return LWC_ERR_PADDING;
	return LWC_OK;
}

/* first .. first + count lies in the table. */
static bool range_ok(const struct lwc_superblock *sb, u32 table, u64 first, u64 count)
{
	u64 end;

	return !check_add_overflow(first, count, &end) &&
	       end <= lwc_le64(&sb->tables[table].count);
}

/* A tensor's shape and dtype must give its size; a literal has neither. */
static bool shape_ok(const struct lwc_object *object, u64 size)
{
	/* both 16 bits wide: one little-endian load */
	u32 dtype = lwc_le32(&object->dtype) & 0xffff, ndim = lwc_le32(&object->dtype) >> 16;
	struct lwc_dtype_block block = lwc_dtype_block(dtype);
	u64 bytes = block.bytes, row;
	bool empty = false;
	u32 i;

	if (!bytes || ndim > LWC_MAX_DIMS)
		return false;
	if (!zeroes((const u8 *)&object->shape[ndim], (LWC_MAX_DIMS - ndim) * sizeof(__le64)))
		return false;
	if (!lwc_le32(&object->name_length))
		return dtype == LWC_DTYPE_BYTES && !ndim;
	row = ndim ? lwc_le64(&object->shape[ndim - 1]) : 1;
	if (row % block.elements)
		return false;
	for (i = 0; i < ndim; i++)
		empty |= !lwc_le64(&object->shape[i]);
	if (empty)
		return !size;
	if (check_mul_overflow(bytes, row / block.elements, &bytes))
		return false;
	for (i = 0; i + 1 < ndim; i++)
		if (check_mul_overflow(bytes, lwc_le64(&object->shape[i]), &bytes))
			return false;
	return bytes == size;
}

enum lwc_error lwc_object_check(const struct lwc_object *object, const struct lwc_superblock *sb)
{
	u64 size = lwc_le64(&object->decoded_size), arena = lwc_le64(&object->arena_offset);
	u64 tiles = lwc_le64(&object->tile_count), end;
	u32 tile_bytes = lwc_le32(&object->tile_bytes);

	if (!range_ok(sb, LWC_TABLE_TILES, lwc_le64(&object->tile_first), tiles) ||
	    !range_ok(sb, LWC_TABLE_NAMES, lwc_le64(&object->name_offset),
		      lwc_le32(&object->name_length)))
		return LWC_ERR_BOUNDS;
	if (lwc_le32(&object->name_length) > LWC_NAME_MAX || lwc_le32(&object->reserved))
		return LWC_ERR_TABLE;
	if (!shape_ok(object, size))
		return LWC_ERR_GEOMETRY;
	if ((lwc_le32(&object->dtype) & 0xffff) >= LWC_DTYPE_Q4_0 &&
	    !(lwc_le64(&sb->incompat) & LWC_INCOMPAT_BLOCKS))
		return LWC_ERR_UNANNOUNCED;
	if (!tile_bytes || tile_bytes > LWC_TILE_MAX ||
	    tiles != size / tile_bytes + !!(size % tile_bytes))
		return LWC_ERR_GEOMETRY;
	if (!lwc_le32(&object->name_length))
		return arena == LWC_NO_ARENA ? LWC_OK : LWC_ERR_GEOMETRY;
	if (arena != LWC_NO_ARENA &&
	    (arena % 4096 || check_add_overflow(arena, size, &end) ||
	     end > lwc_le64(&sb->arena_size)))
		return LWC_ERR_GEOMETRY;
	return LWC_OK;
}

u32 lwc_tile_length(const struct lwc_object *object, u64 index)
{
	u64 size = lwc_le64(&object->decoded_size);
	u32 tile_bytes = lwc_le32(&object->tile_bytes);
	u64 rest = size - index * tile_bytes;

	return rest < tile_bytes ? (u32)rest : tile_bytes;
}

static bool chain_ok(const struct lwc_tile *entry)
{
	const u8 *chain = entry->chain;

	if (chain[2] || chain[3])
		return false;
	if (chain[0] == LWC_CODEC_PLANES)
		return (chain[1] == LWC_CODEC_RAW || chain[1] == LWC_CODEC_ZSTD) &&
		       entry->param >= 2 && entry->param <= 8 && !entry->field;
	if (chain[0] == LWC_CODEC_SPARSE || chain[0] == LWC_CODEC_GRID)
		return (chain[1] == LWC_CODEC_RAW && !entry->param && !entry->field) ||
		       (chain[1] == LWC_CODEC_LEVELS && lwc_levels_shape(entry->param) &&
			lwc_field_size(entry->field) &&
			(chain[0] != LWC_CODEC_GRID || lwc_field_size(entry->field) == 1));
	if (chain[1])
		return false;
	if (chain[0] == LWC_CODEC_LEVELS)
		return lwc_levels_shape(entry->param) && lwc_field_size(entry->field);
	if (chain[0] == LWC_CODEC_DELTA)
		return !entry->param && (!lwc_le32(&entry->stored) ? !entry->field :
								     lwc_delta_field(entry->field));
	return !entry->param && !entry->field && (chain[0] == LWC_CODEC_SPLIT ||
	       (chain[0] >= LWC_CODEC_RAW && chain[0] <= LWC_CODEC_COPY));
}

/* ref, base, and where the stored bytes are. */
static bool places_ok(const struct lwc_tile *entry, const struct lwc_superblock *sb)
{
	u64 offset = lwc_le64(&entry->offset), ref = lwc_le64(&entry->ref);
	u32 stored = lwc_le32(&entry->stored);

	if (entry->chain[0] == LWC_CODEC_DELTA) {
		if (!range_ok(sb, LWC_TABLE_DEPS, entry->base, 1))
			return false;
		if (!stored)
			return !offset && !lwc_le32(&entry->crc);
	} else if (entry->base) {
		return false;
	}
	if (!inside(sb, offset, stored) || offset & (lwc_le32(&sb->payload_align) - 1))
		return false;
	if (entry->chain[0] == LWC_CODEC_DELTA)
		return true;
	return entry->chain[0] == LWC_CODEC_COPY ? range_ok(sb, LWC_TABLE_TILES, ref, 1) : !ref;
}

u64 lwc_tile_features(const struct lwc_tile *entry)
{
	static const u64 codecs[LWC_CODECS] = {
		[LWC_CODEC_ZSTD] = LWC_INCOMPAT_ZSTD,
		[LWC_CODEC_PLANES] = LWC_INCOMPAT_PLANES,
		[LWC_CODEC_COPY] = LWC_INCOMPAT_COPY,
		[LWC_CODEC_SPARSE] = LWC_INCOMPAT_SPARSE,
		[LWC_CODEC_GRID] = LWC_INCOMPAT_GRID,
		[LWC_CODEC_SPLIT] = LWC_INCOMPAT_SPLIT,
		[LWC_CODEC_DELTA] = LWC_INCOMPAT_DELTA,
	};
	u64 features = 0;
	u32 i;

	for (i = 0; i < LWC_CHAIN_MAX && entry->chain[i] < LWC_CODECS; i++) {
		features |= codecs[entry->chain[i]];
		if (entry->chain[i] == LWC_CODEC_LEVELS && entry->param < LWC_STRUCTURES)
			features |= LWC_INCOMPAT_STRUCTURE(entry->param);
	}
	if (entry->field && entry->field < LWC_FIELDS)
		features |= LWC_INCOMPAT_FIELD(entry->field);
	return features;
}

enum lwc_error lwc_tile_check(const struct lwc_tile *entry, const struct lwc_superblock *sb,
			      u32 decoded_len)
{
	u32 stored = lwc_le32(&entry->stored);
	bool delta = entry->chain[0] == LWC_CODEC_DELTA;

	if (!chain_ok(entry) || entry->reserved)
		return LWC_ERR_CHAIN;
	if (lwc_tile_features(entry) & ~lwc_le64(&sb->incompat))
		return LWC_ERR_UNANNOUNCED;
	if ((!stored && !delta) || stored > LWC_TILE_MAX || stored > decoded_len + (delta ? 0 : 64u))
		return LWC_ERR_GEOMETRY;
	return places_ok(entry, sb) ? LWC_OK : LWC_ERR_BOUNDS;
}

enum lwc_error lwc_copy_check(const struct lwc_tile *copy, const struct lwc_tile *source)
{
	if (source->chain[0] == LWC_CODEC_COPY)
		return LWC_ERR_CHAIN;
	if (lwc_le64(&source->offset) != lwc_le64(&copy->offset) ||
	    lwc_le32(&source->stored) != lwc_le32(&copy->stored) ||
	    lwc_le32(&source->crc) != lwc_le32(&copy->crc))
		return LWC_ERR_TABLE;
	return LWC_OK;
}

enum lwc_error lwc_file_check(const struct lwc_file *file, const struct lwc_superblock *sb)
{
	u32 kind = lwc_file_kind(file), mode = lwc_file_mode(file);
	u32 name = lwc_le32(&file->name_length);

	if ((kind != LWC_FILE_REGULAR && kind != LWC_FILE_DIRECTORY) || mode > 0777 || !name ||
	    name > LWC_NAME_MAX)
		return LWC_ERR_TABLE;
	if (!range_ok(sb, LWC_TABLE_NAMES, lwc_le64(&file->name_offset), name) ||
	    !range_ok(sb, LWC_TABLE_EXTENTS, lwc_le64(&file->extent_first),
		      lwc_le64(&file->extent_count)))
		return LWC_ERR_BOUNDS;
	if (kind == LWC_FILE_DIRECTORY &&
	    (lwc_le64(&file->size) || lwc_le64(&file->extent_count) ||
	     !zeroes(file->sha256, sizeof(file->sha256))))
		return LWC_ERR_GEOMETRY;
	return LWC_OK;
}

enum lwc_error lwc_extent_check(const struct lwc_extent *extent, const struct lwc_superblock *sb)
{
	u64 end;

	if (!range_ok(sb, LWC_TABLE_OBJECTS, lwc_le64(&extent->object), 1))
		return LWC_ERR_BOUNDS;
	if (!lwc_le64(&extent->length) ||
	    check_add_overflow(lwc_le64(&extent->file_offset), lwc_le64(&extent->length), &end) ||
	    check_add_overflow(lwc_le64(&extent->object_offset), lwc_le64(&extent->length), &end))
		return LWC_ERR_GEOMETRY;
	return LWC_OK;
}

bool lwc_name_ok(const char *name, size_t len)
{
	size_t start = 0, i;

	if (!len || len > LWC_NAME_MAX)
		return false;
	for (i = 0; i <= len; i++) {
		if (i < len && !name[i])
			return false;
		if (i < len && name[i] != '/')
			continue;
		if (i == start || i - start > 255 || (i - start == 1 && name[start] == '.') ||
		    (i - start == 2 && name[start] == '.' && name[start + 1] == '.'))
			return false;
		start = i + 1;
	}
	return true;
}
