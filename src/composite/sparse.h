/* What the composites over sparse tensors share. Tensors that these functions return are the pool's. */
#ifndef TW_COMPOSITE_SPARSE_H
#define TW_COMPOSITE_SPARSE_H
#include "autograd/sparse.h"
#include "composite/boxed.h"

/* A sparse tensor of parts that the pool (or somebody else) owns; NULL, and nothing done, when one is missing. Owned. */
tw_tensor *tw_sparse_make(tw_tensor *indices, tw_tensor *values, const int64_t *sizes, int ndim, bool coalesced);
tw_tensor *tw_sparse_like(const tw_tensor *t, tw_tensor *values); /* the places of t with other values; owned */
tw_tensor *tw_sparse_coalesced(tw_pool *p, tw_tensor *t);
tw_tensor *tw_sparse_flat(tw_pool *p, tw_tensor *t);   /* positions of the stored elements among the sparse dimensions */
tw_tensor *tw_sparse_row(tw_pool *p, tw_tensor *t, int d); /* indices along one sparse dimension */
tw_tensor *tw_sparse_dense(tw_pool *p, tw_tensor *t);  /* the dense form */
tw_tensor *tw_sparse_take_at(tw_pool *p, tw_tensor *t, tw_tensor *indices); /* elements or slices of t, sparse or dense, at index vectors */
/* All results of an op that has several; false after a failure, with none. */
bool tw_call_all(int op_id, int nargs, const tw_arg *args, tw_tensor **outs);
bool tw_expect_sparse(const tw_tensor *t, const char *what); /* else PyTorch's "NAME expected sparse coordinate tensor layout but got Strided" */
#endif
