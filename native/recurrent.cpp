// The recurrent cells over whole sequences, nothing around them.
#include "gru.h"
#include "lstm.h"
#include "rnn.h"

namespace unrolled::UNROLLED_ISA {

void rnn_forward(const Recurrence& r) { r.bytes == 8 ? rnn::forward<double>(r, Alone{}) : rnn::forward<float>(r, Alone{}); }
void rnn_backward(const Recurrence& r) { r.bytes == 8 ? rnn::backward<double>(r, Alone{}) : rnn::backward<float>(r, Alone{}); }
void gru_forward(const Recurrence& r) { r.bytes == 8 ? gru::forward<double>(r, Alone{}) : gru::forward<float>(r, Alone{}); }
void gru_backward(const Recurrence& r) { r.bytes == 8 ? gru::backward<double>(r, Alone{}) : gru::backward<float>(r, Alone{}); }
void lstm_forward(const Recurrence& r) { r.bytes == 8 ? lstm::forward<double>(r, Alone{}) : lstm::forward<float>(r, Alone{}); }
void lstm_backward(const Recurrence& r) { r.bytes == 8 ? lstm::backward<double>(r, Alone{}) : lstm::backward<float>(r, Alone{}); }

}  // namespace unrolled::UNROLLED_ISA

UNROLLED_KERNEL(rnn_forward, Recurrence);
UNROLLED_KERNEL(rnn_backward, Recurrence);
UNROLLED_KERNEL(gru_forward, Recurrence);
UNROLLED_KERNEL(gru_backward, Recurrence);
UNROLLED_KERNEL(lstm_forward, Recurrence);
UNROLLED_KERNEL(lstm_backward, Recurrence);
