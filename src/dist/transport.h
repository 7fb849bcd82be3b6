/* What carries messages between ranks: the interface of a plugin, which is loaded where the process is a rank. */
#ifndef RF_DIST_TRANSPORT_H
#define RF_DIST_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

#define RF_TRANSPORT_SYMBOL  "rf_transport_mpi"
#define RF_TRANSPORT_VERSION 2

typedef struct rf_ranks {
    int rank, size, local_rank, local_size; /* local: of this machine */
} rf_ranks;

/* Each returns 0 or an error, which `describe` puts in words. */
typedef struct rf_transport {
    int version;
    int (*open)(rf_ranks *ranks);
    void (*close)(void);
    int (*sum)(float *values, size_t count);                       /* over all ranks, in place */
    int (*broadcast)(void *data, size_t bytes);                    /* rank 0's */
    int (*gather)(void *all, const void *own, size_t bytes);       /* everyone's to everyone, by rank */
    int (*gather_local)(void *all, const void *own, size_t bytes); /* among the ranks of this machine */
    /* Gathers while others may be in another call; *met: all came within `patience_ms` (below 0: without limit). */
    int (*meet)(bool *met, int *all, const int *own, int patience_ms);
    void (*describe)(char *text, size_t size, int error);
    void (*abort)(int exit_code); /* ends all ranks */
    /* Rank 0 answers one of the others, if any has asked; these wait for it. */
    int (*ask)(size_t *answer);
    int (*answer)(bool *asked, size_t answer);
    int (*sum_doubles)(double *values, size_t count); /* as sum, of few */
} rf_transport;

#endif
