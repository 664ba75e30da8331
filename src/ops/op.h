/* What an op is: one record per table entry, written by the generator (build/gen/ops_table.c). */
#ifndef TW_OPS_OP_H
#define TW_OPS_OP_H
#include "ops/arg.h"

enum { TW_MAX_ARGS = 16, TW_MAX_OUTS = 4 };

typedef enum tw_kind { TW_KIND_ELEMENTWISE, TW_KIND_REDUCE, TW_KIND_VIEW, TW_KIND_KERNEL, TW_KIND_COMPOSITE } tw_kind;

typedef enum tw_type { /* schema types */
    TW_TYPE_TENSOR, TW_TYPE_TENSORS, TW_TYPE_SCALAR, TW_TYPE_INT, TW_TYPE_FLOAT, TW_TYPE_BOOL, TW_TYPE_INTS, TW_TYPE_FLOATS,
    TW_TYPE_STRING, TW_TYPE_DTYPE, TW_TYPE_DEVICE, TW_TYPE_LAYOUT, TW_TYPE_FORMAT, TW_TYPE_GENERATOR
} tw_type;

typedef struct tw_param {
    const char *name;
    uint8_t type;          /* tw_type */
    bool optional;         /* `?`: None is accepted */
    bool keyword_only;     /* after `*` */
    bool has_default;
    bool number_too;       /* a Tensor parameter that also takes a Python number */
    bool optional_items;   /* Tensor?[] */
    int8_t list_size;      /* int[2]: a single int stands for that many; 0 otherwise */
    tw_arg fallback;       /* the default */
} tw_param;

/* Shape, dtype and layout of a result, found without data. */
typedef struct tw_meta {
    int8_t dtype;
    uint8_t ndim;
    bool absent;           /* an optional result that this call does not have */
    tw_device device;
    int64_t sizes[TW_MAX_DIMS], strides[TW_MAX_DIMS];
} tw_meta;
/* Sets dtype, device, sizes and contiguous strides; false only for more than TW_MAX_DIMS dimensions. */
bool tw_meta_set(tw_meta *m, tw_dtype dtype, tw_device device, const int64_t *sizes, int ndim);

/* Geometry of a view of args[0]; op functions of kind `view` fill it. dtype for view(dtype); -1 keeps. */
typedef struct tw_view {
    int8_t dtype;
    uint8_t ndim;
    uint8_t flags_xor;     /* TW_CONJ, TW_NEG toggles */
    int64_t offset;        /* absolute, in elements */
    int64_t sizes[TW_MAX_DIMS], strides[TW_MAX_DIMS];
} tw_view;

typedef bool (*tw_meta_fn)(const tw_arg *args, tw_meta *outs);
typedef bool (*tw_view_fn)(const tw_arg *args, tw_view *out);

/* Views of args[0] that share it out along one dimension; op functions of kind `view` whose result is a Tensor[] fill it. */
typedef struct tw_pieces {
    int dim;
    bool drop;              /* unbind: every piece is one index of the dimension, which goes */
    int64_t n, step;        /* n pieces of step indices each; the last one has what is left, which may be less */
    const int64_t *lengths; /* of each piece, where they differ; else NULL */
} tw_pieces;
typedef bool (*tw_pieces_fn)(const tw_arg *args, tw_pieces *out);
typedef bool (*tw_composite_fn)(const tw_arg *args, tw_tensor **outs); /* owned results */

struct tw_node;
/* Gradients of an op. a: its arguments as saved (args not needed are NONE-d; int lists are copies); r: its results that were saved;
 * g: gradient of each result, NULL if none; need: bit per edge; gin: one owned gradient per edge, or NULL. Edges are the Tensor
 * and Tensor[] parameters in order, lists spread out. */
typedef bool (*tw_grad_fn)(struct tw_node *node, const tw_arg *a, tw_tensor *const *r, tw_tensor *const *g, uint64_t need, tw_tensor **gin);
/* Tangents of the results. t: tangent per parameter (TENSOR or NONE; TENSORS with NULL entries); tout: owned, NULL if zero. */
typedef bool (*tw_jvp_fn)(const tw_arg *a, tw_tensor *const *r, const tw_arg *t, tw_tensor **tout);
/* Batching rule of a kernel op: args with their batch dimension moved to dim 0 (bit in `batched`); outs have it at dim 0. */
typedef bool (*tw_batch_fn)(const tw_arg *a, uint64_t batched, int64_t size, tw_tensor **outs);

struct tw_ew;      /* ops/elementwise.h */
struct tw_reduce;  /* ops/reduce.h */

enum { TW_OP_DYNAMIC = 1, TW_OP_RANDOM = 2, TW_OP_INPLACE = 4 /* writes args[0]: fill_, copy_, uniform_ ... */,
       TW_OP_BATCH_NATIVE = 8 /* vmap: leading dimensions pass through */,
       TW_OP_FRESH = 32 /* a view that counts as none: nobody else sees its memory (_unsafe_view) */,
       TW_OP_GEOMETRY = 64 /* its gradient reads the geometry of args[0], not its elements: they may be written to */,
       TW_OP_APART = 128 /* a given result may share no memory with an argument */,
       TW_OP_CONSTANT = 256 /* writes the same to every place: they may overlap */,
       TW_OP_ACROSS = 512 /* its arguments may be on several devices */,
       TW_OP_NAMED = 1024 /* a composite without gradient whose last node is called after it */,
       TW_OP_LIST = 16 /* the one result is a Tensor[] (split, unbind): outs[0] is really an owned tw_list * */ };

typedef enum tw_autocast { TW_AUTOCAST_NONE, TW_AUTOCAST_LOWER, TW_AUTOCAST_FLOAT32, TW_AUTOCAST_WIDEST } tw_autocast;

typedef enum tw_sparse_rule { /* what an op does with sparse tensors */
    TW_SPARSE_REFUSED,
    TW_SPARSE_VALUES,   /* itself, on their values: what zeros map to zeros */
    TW_SPARSE_LINEAR,   /* the same where it may be done before equal indices are summed */
    TW_SPARSE_NATIVE,   /* its function takes them as it takes strided ones */
    TW_SPARSE_FUNCTION  /* sparse_run. It may find outs[i] given: then it writes there, or leaves its own result in that place */
} tw_sparse_rule;

/* A Tensor[] result. items are owned by the list. */
typedef struct tw_list { int64_t n; tw_tensor *items[]; } tw_list;
tw_list *tw_list_new(int64_t n);        /* n NULL items; NULL and an error on failure */
void tw_list_release(tw_list *list);    /* releases the items too; NULL is legal */
static inline tw_list *tw_list_of(tw_tensor *out) { return (tw_list *)(void *)out; } /* outs[0] of an op with TW_OP_LIST */
static inline tw_tensor *tw_list_result(tw_list *list) { return (tw_tensor *)(void *)list; }

typedef enum tw_out_rule { /* dtypes that out= may have */
    TW_OUT_EXACT, /* the result's */
    TW_OUT_CAST,  /* those that the result's can be cast to */
    TW_OUT_ANY    /* all; where the op takes a dtype and none is given, out's */
} tw_out_rule;

typedef struct tw_op {
    const char *name;        /* table key: "max.dim" */
    const char *base;        /* "max" */
    const char *node;        /* "MaxBackward0" */
    uint16_t id, flags;
    uint8_t kind, nparams, nouts;
    uint8_t sparse;          /* tw_sparse_rule */
    uint8_t autocast;        /* tw_autocast: what autocast mode does to floating-point arguments */
    uint8_t self;            /* the parameter named self; 0 if there is none */
    uint8_t npositional, nrequired; /* parameters before `*`, and those of them without a default */
    const tw_param *params;
    const char *const *out_names; /* "values", "indices": fields of torch.return_types.max; NULL for unnamed results */
    const struct tw_ew *ew;
    const struct tw_reduce *reduce;
    struct tw_reduce_at { uint8_t dim, keepdim, dtype, correction; } at; /* of a reduction: which parameters these are; 0: none */
    tw_view_fn view;
    tw_pieces_fn pieces;     /* of a view that is several */
    tw_meta_fn meta;
    tw_run_fn run;           /* the CPU's */
    tw_composite_fn composite;
    tw_composite_fn sparse_run; /* instead of the others where an argument or a given result is sparse; NULL: see `sparse` */
    uint64_t differentiable; /* bit per parameter: a Tensor(s) parameter with a gradient ("nondiff" ones are not set) */
    uint32_t out_nondiff;    /* bit per result that never requires grad (indices) */
    tw_grad_fn grad;
    const uint32_t *save;    /* per parameter: bits 0-15 args, bits 16-19 results that its gradient reads as tensors */
    tw_jvp_fn jvp;
    tw_batch_fn batch;
    uint8_t out_rule;        /* tw_out_rule */
    const char *out_text;    /* what to say of another dtype, instead of the rule's text; see out.c */
} tw_op;

extern const tw_op tw_ops[];        /* by id; ids are TW_OP_<key with . as _> in build/gen/op_ids.h */
extern const int tw_op_count;

/* Runs an op below autograd: meta, allocation (or the given outs), device dispatch. Knows nothing of gradients.
 * outs[i] NULL: allocate. outs[i] given (out= and in-place): results are resized to fit (PyTorch's warning applies), may have another
 * dtype (out_rule) and may overlap the inputs (then a temporary is used). Owned results. Not for composites. */
bool tw_run(const tw_op *op, const tw_arg *args, tw_tensor **outs);

/* Half of tw_run for elementwise ops; used by the flat fast path too. */
bool tw_elementwise(const struct tw_ew *ew, const tw_arg *in, int nin, tw_tensor **out);
#endif
