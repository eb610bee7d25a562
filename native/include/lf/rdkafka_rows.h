/* Messages of librdkafka as columns: their bytes are copied once into one buffer, headers in the log's own form. */
#ifndef LF_RDKAFKA_ROWS_H
#define LF_RDKAFKA_ROWS_H

#include "lf/rdkafka.h"
#include "lf/records.h"


/* Positions in the columns are relative to the first byte of their run: rows that follow each other in one partition.
 * The bytes that messages 0..n need; errors among them (err != 0) need none. */
size_t lf_rd_rows_size(const lf_rd_api *api, rd_kafka_message_t **messages, int32_t n);
/* The end of the run that begins with message `first` (no error); a run holds no error and at most 1 GiB. */
int32_t lf_rd_run_end(rd_kafka_message_t **messages, int32_t first, int32_t n);
/* Appends messages first..end to the columns, which have room, and their bytes at `to`; the end of what it wrote. */
uint8_t *lf_rd_rows_put(const lf_rd_api *api, rd_kafka_message_t **messages, int32_t first, int32_t end, lf_columns *c,
                        uint8_t *to);

#endif
