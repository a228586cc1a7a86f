/* Numbers stand above, steps below. C99 and the mathematics library; nothing is allocated, and what
 * is computed lies in the caller's `ambulo_work`. */
#include <math.h>

#define AMBULO_SMALL 1e-6f
#define AMBULO_STILL 1e-3f /* less deviation than this is rounding: ambulo.models.handmade */
#define AMBULO_SIGNALS (AMBULO_CHANNELS + AMBULO_TRIADS)

typedef struct {
    float x[AMBULO_SIGNALS][AMBULO_LENGTH]; /* what the network sees, a channel after the other */
    float sum[AMBULO_LENGTH], sorted[AMBULO_LENGTH], power[AMBULO_LENGTH / 2 + 1];
    float features[AMBULO_FEATURES];
#if AMBULO_VIEWS
    float view[AMBULO_LENGTH * AMBULO_RAW];
#endif
#if AMBULO_LAYERS
    float maps[2][AMBULO_WIDEST][AMBULO_LENGTH];
#endif
} ambulo_work;

#if AMBULO_LAYERS || AMBULO_HANDMADE
static float ambulo_mean(const float *x, int n) {
    float sum = 0;
    for (int t = 0; t < n; t++) sum += x[t];
    return sum / n;
}
#endif

/* Each sensor's part along gravity, its part across, and its length: ambulo.models.frame. */
static void ambulo_see(const float *window, ambulo_work *w) {
    int at = 0;
    for (int c = 0; c < AMBULO_KEPT; c++, at++)
        for (int t = 0; t < AMBULO_LENGTH; t++) w->x[at][t] = window[t * AMBULO_RAW + c];
    for (int s = 0; s < AMBULO_SENSORS; s++, at += 3) {
        const int *axis = ambulo_axes[s], *gravity = ambulo_axes[s] + 3;
        float down[3] = {0, 0, 0}, size = AMBULO_SMALL;
        for (int a = 0; a < 3; a++) {
            for (int t = 0; t < AMBULO_LENGTH; t++) down[a] += window[t * AMBULO_RAW + gravity[a]];
            down[a] /= AMBULO_LENGTH;
            size += down[a] * down[a];
        }
        for (int t = 0; t < AMBULO_LENGTH; t++) {
            float along = 0, across = AMBULO_SMALL, squares = AMBULO_SMALL;
            const float *v = window + t * AMBULO_RAW;
            for (int a = 0; a < 3; a++) along += v[axis[a]] * down[a] / sqrtf(size);
            for (int a = 0; a < 3; a++) {
                float rest = v[axis[a]] - along * down[a] / sqrtf(size);
                across += rest * rest;
                squares += v[axis[a]] * v[axis[a]];
            }
            w->x[at][t] = along;
            w->x[at + 1][t] = sqrtf(across);
            w->x[at + 2][t] = sqrtf(squares);
        }
    }
    for (int c = 0; c < AMBULO_CHANNELS; c++)
        for (int t = 0; t < AMBULO_LENGTH; t++)
            w->x[c][t] = (w->x[c][t] - ambulo_shift[c]) * ambulo_scale[c];
}

#if AMBULO_LAYERS
/* Convolutions and the larger of each two steps; mean and largest: ambulo.models.convolutional. */
static void ambulo_convolutions(ambulo_work *w) {
    const float *weight = ambulo_filters, *bias = ambulo_offsets;
    const float (*in)[AMBULO_LENGTH] = (const float (*)[AMBULO_LENGTH])w->x;
    int length = AMBULO_LENGTH;
    for (int n = 0; n < AMBULO_LAYERS; n++) {
        int inputs = ambulo_layer[n][0], outputs = ambulo_layer[n][1], taps = ambulo_layer[n][2];
        int step = n + 1 < AMBULO_LAYERS ? 2 : 1;
        length = length / step * step;
        for (int k = 0; k < outputs; k++, weight += inputs * taps, bias++) {
            float *out = w->maps[n % 2][k];
            for (int t = 0; t < length; t++) {
                float y = *bias;
                for (int tap = 0; tap < taps; tap++) {
                    int at = t + tap - (taps - 1) / 2;
                    if (at < 0 || at >= ambulo_long[n]) continue;
                    for (int c = 0; c < inputs; c++) y += weight[c * taps + tap] * in[c][at];
                }
                out[t / step] = fmaxf(y, t % step ? out[t / step] : 0);
            }
        }
        length /= step;
        in = (const float (*)[AMBULO_LENGTH])w->maps[n % 2];
    }
    for (int k = 0; k < AMBULO_LEARNT / 2; k++) {
        float most = 0;
        for (int t = 0; t < length; t++) most = fmaxf(most, in[k][t]);
        w->features[k] = ambulo_mean(in[k], length);
        w->features[AMBULO_LEARNT / 2 + k] = most;
    }
}
#endif

#if AMBULO_KERNELS
/* The mean sign of each kernel's output minus each threshold: ambulo.models.rocket. */
static void ambulo_kernels(ambulo_work *w) {
    int out = AMBULO_LEARNT;
    const float *threshold = ambulo_thresholds;
    for (int k = 0; k < AMBULO_KERNELS; k++) {
        /* channels, dilation, padded, three places, count */
        const ambulo_kernel_type *kernel = ambulo_kernel[k];
        int dilation = kernel[1], reach = 4 * dilation, edge = kernel[2] ? 0 : reach;
        for (int t = 0; t < AMBULO_LENGTH; t++) {
            w->sum[t] = 0;
            for (int c = 0; c < AMBULO_CHANNELS; c++) {
                if (!(kernel[0] >> c & 1)) continue;
                float v = fminf(fmaxf(w->x[c][t], -AMBULO_LIMIT), AMBULO_LIMIT);
                w->sum[t] += v * AMBULO_UNITS;
            }
        }
        for (int n = 0; n < kernel[6]; n++) w->features[out + n] = 0;
        for (int t = edge; t < AMBULO_LENGTH - edge; t++) {
            float y = 0;
            for (int tap = 0; tap < 9; tap++) {
                int at = t - reach + tap * dilation;
                int two = tap == kernel[3] || tap == kernel[4] || tap == kernel[5];
                if (at >= 0 && at < AMBULO_LENGTH) y += (two ? 2 : -1) * w->sum[at];
            }
            for (int n = 0; n < kernel[6]; n++)
                w->features[out + n] += fminf(fmaxf(y - threshold[n], -1), 1);
        }
        for (int n = 0; n < kernel[6]; n++) w->features[out + n] /= AMBULO_LENGTH - 2 * edge;
        out += kernel[6];
        threshold += kernel[6];
    }
}
#endif

#if AMBULO_HANDMADE
static void ambulo_sort(float *x) {
    for (int i = 1; i < AMBULO_LENGTH; i++) {
        float v = x[i];
        int k = i;
        for (; k > 0 && x[k - 1] > v; k--) x[k] = x[k - 1];
        x[k] = v;
    }
}

static float ambulo_side(float v) { return fminf(fmaxf(AMBULO_SIDES * v, -1), 1); }

static void ambulo_in_time(ambulo_work *w, const float *x, float *out) {
    float mean = ambulo_mean(x, AMBULO_LENGTH), square = 0, third = 0, fourth = 0;
    float crossings = 0, slopes = 0, steepest = 0;
    for (int t = 0; t < AMBULO_LENGTH; t++) {
        square += (x[t] - mean) * (x[t] - mean);
        w->sorted[t] = x[t];
    }
    float deviation = fmaxf(sqrtf(square / AMBULO_LENGTH), AMBULO_STILL), before = 0;
    for (int t = 0; t < AMBULO_LENGTH; t++) {
        float v = (x[t] - mean) / (deviation + AMBULO_SMALL);
        third += v * v * v;
        fourth += v * v * v * v;
        if (t) {
            float slope = x[t] - x[t - 1];
            crossings += fabsf(ambulo_side(v) - ambulo_side(before));
            slopes += slope * slope;
            steepest = fmaxf(steepest, fabsf(slope));
        }
        before = v;
    }
    ambulo_sort(w->sorted);
    int n = AMBULO_SIGNALS;
    out[0] = mean;
    out[n] = logf(deviation + AMBULO_SMALL);
    for (int q = 0; q < 5; q++) out[(2 + q) * n] = w->sorted[ambulo_quarters[q]];
    out[7 * n] = third / AMBULO_LENGTH;
    out[8 * n] = log1pf(fourth / AMBULO_LENGTH);
    out[9 * n] = crossings / (AMBULO_LENGTH - 1);
    out[10 * n] = logf(sqrtf(slopes / (AMBULO_LENGTH - 1)) + AMBULO_SMALL);
    out[11 * n] = logf(steepest + AMBULO_SMALL);
}

/* Rounded to the eleven bits of half precision, as the network's tables are (Veltkamp 1968). */
static float ambulo_half(float v) { return 8193 * v - (8193 * v - v); }

static void ambulo_in_frequency(ambulo_work *w, const float *x, float *bands, float *rest) {
    float mean = ambulo_mean(x, AMBULO_LENGTH), total = 0, entropy = 0, middle = 0;
    int last = AMBULO_LENGTH / 2;
    for (int f = 1; f <= last; f++) {
        float re = 0, im = 0;
        for (int t = 0; t < AMBULO_LENGTH; t++) {
            int at = f * t % AMBULO_LENGTH;
            re += (x[t] - mean) * ambulo_half(ambulo_taper[t] * ambulo_cosine[at]);
            im += (x[t] - mean) * ambulo_half(ambulo_taper[t] * ambulo_sine[at]);
        }
        w->power[f] = re * re + im * im;
        total += w->power[f];
    }
    for (int b = 0; b < AMBULO_BANDS; b++) bands[b] = 0;
    for (int f = 1; f <= last; f++) {
        float share = w->power[f] / (total + AMBULO_SMALL);
        entropy -= share * logf(share + AMBULO_SMALL);
        middle += share * (f - 1) / (last - 1);
        bands[ambulo_band[f - 1]] += w->power[f];
    }
    for (int b = 0; b < AMBULO_BANDS; b++) bands[b] = logf(bands[b] + AMBULO_SMALL);
    rest[0] = entropy;
    rest[AMBULO_SIGNALS] = middle;
}

static float ambulo_correlation(const float *x, const float *y) {
    float mx = ambulo_mean(x, AMBULO_LENGTH), my = ambulo_mean(y, AMBULO_LENGTH);
    float xx = 0, yy = 0, xy = 0;
    for (int t = 0; t < AMBULO_LENGTH; t++) {
        xx += (x[t] - mx) * (x[t] - mx);
        yy += (y[t] - my) * (y[t] - my);
        xy += (x[t] - mx) * (y[t] - my);
    }
    float least = AMBULO_STILL * sqrtf(AMBULO_LENGTH);
    return xy / (fmaxf(sqrtf(xx), least) + AMBULO_SMALL) / (fmaxf(sqrtf(yy), least) + AMBULO_SMALL);
}

/* Statistics of each channel, of its slope and spectrum, and of pairs: ambulo.models.handmade. */
static void ambulo_statistics(ambulo_work *w) {
    enum { first = AMBULO_FEATURES - AMBULO_STATISTICS };
    float *out = w->features + first, *bands = out + 12 * AMBULO_SIGNALS;
    float *rest = bands + AMBULO_BANDS * AMBULO_SIGNALS, *pairs = rest + 2 * AMBULO_SIGNALS;
    for (int s = 0; s < AMBULO_TRIADS; s++)
        for (int t = 0; t < AMBULO_LENGTH; t++) {
            float *at = &w->x[3 * s][t];
            float y = at[AMBULO_LENGTH], z = at[2 * AMBULO_LENGTH];
            w->x[AMBULO_CHANNELS + s][t] = sqrtf(at[0] * at[0] + y * y + z * z);
        }
    for (int s = 0; s < AMBULO_SIGNALS; s++) {
        ambulo_in_time(w, w->x[s], out + s);
        ambulo_in_frequency(w, w->x[s], bands + s * AMBULO_BANDS, rest + s);
    }
    for (int a = 0; a < AMBULO_CHANNELS; a++)
        for (int b = a + 1; b < AMBULO_CHANNELS; b++)
            *pairs++ = ambulo_correlation(w->x[a], w->x[b]);
#if AMBULO_KERNELS
    for (int k = first; k < AMBULO_FEATURES; k++) { /* beside a kernel's whole range */
        float v = (w->features[k] - ambulo_middle[k - first]) * ambulo_spread[k - first];
        w->features[k] = AMBULO_SHARE * fminf(fmaxf(v, -5), 5);
    }
#endif
}
#endif

#if AMBULO_VIEWS
/* A window as if its sensors were turned to one of several sides: ambulo.models.views. */
static const float *ambulo_view(const float *window, int view, ambulo_work *w) {
    const float *turn = ambulo_turns + view * AMBULO_RAW * AMBULO_RAW;
    for (int t = 0; t < AMBULO_LENGTH; t++)
        for (int c = 0; c < AMBULO_RAW; c++) {
            float *to = w->view + t * AMBULO_RAW + c;
            *to = 0;
            for (int k = 0; k < AMBULO_RAW; k++)
                *to += window[t * AMBULO_RAW + k] * turn[k * AMBULO_RAW + c];
        }
    return w->view;
}
#endif

/* What the network says of a window is added to `logits`. */
static void ambulo_say(const float *window, ambulo_work *w, float *logits) {
    ambulo_see(window, w);
#if AMBULO_LAYERS
    ambulo_convolutions(w);
#endif
#if AMBULO_KERNELS
    ambulo_kernels(w);
#endif
#if AMBULO_HANDMADE
    ambulo_statistics(w);
#endif
    for (int a = 0; a < AMBULO_CLASSES; a++) {
        const float *weight = ambulo_weights + a * AMBULO_FEATURES;
        float logit = ambulo_bias[a];
        for (int k = 0; k < AMBULO_FEATURES; k++) logit += weight[k] * w->features[k];
        logits[a] += logit;
    }
}

/* Calibrated probabilities of ambulo_activities for a window of AMBULO_LENGTH samples of AMBULO_RAW
   channels each, in order and units of the first comment; NAN all, where a sample is no number or
   beyond any sensor. */
static void ambulo_decide(const float *window, ambulo_work *w, float *probabilities) {
    float most = -INFINITY, sum = 0, each = 1 / AMBULO_TEMPERATURE;
    for (int k = 0; k < AMBULO_LENGTH * AMBULO_RAW; k++) {
        if (fabsf(window[k]) < 1e9f) continue;
        for (int a = 0; a < AMBULO_CLASSES; a++) probabilities[a] = NAN;
        return;
    }
    for (int a = 0; a < AMBULO_CLASSES; a++) probabilities[a] = 0;
#if AMBULO_VIEWS
    for (int view = 0; view < AMBULO_VIEWS; view++)
        ambulo_say(ambulo_view(window, view, w), w, probabilities);
    each /= AMBULO_VIEWS;
#else
    ambulo_say(window, w, probabilities);
#endif
    for (int a = 0; a < AMBULO_CLASSES; a++) {
        probabilities[a] *= each;
        most = fmaxf(most, probabilities[a]);
    }
    for (int a = 0; a < AMBULO_CLASSES; a++) sum += probabilities[a] = expf(probabilities[a] - most);
    for (int a = 0; a < AMBULO_CLASSES; a++) probabilities[a] /= sum;
}
