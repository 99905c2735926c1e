/*
 * Calibration: measuring this computer for a profile, and drawing what was measured.
 *
 *   calibrate.c             the verb
 *   calibration.c           the measurements of engine and memory
 *   calibration_streams.c   where non-temporal stores pay
 *   calibration_os.c        those of the operating system: pages, files
 *   calibration_plot.c      their curves, as SVG
 */
#ifndef CLI_CALIBRATION_H
#define CLI_CALIBRATION_H

#include <stdbool.h>
#include <stdio.h>

#include "dray/profile.h"

enum {
    CURVE_POINTS_MAX = 32,
    CURVE_SERIES_MAX = 2,
    CALIBRATION_WHY_SIZE = 256,
};

/** One chart: up to two series over the same positive x, both axes logarithmic. */
struct curve {
    const char *title, *x_name, *y_name;
    const char *series_name[CURVE_SERIES_MAX];
    unsigned series, points;
    double x[CURVE_POINTS_MAX], y[CURVE_SERIES_MAX][CURVE_POINTS_MAX];
    double mark; /* where a vertical line stands; 0: nowhere */
    const char *mark_name;
};

enum calibration_curve {
    CURVE_BREAK_EVEN,
    CURVE_STORES,
    CURVE_PIECES,
    CURVE_TRANSPOSE,
    CURVE_DESCRIPTORS,
    CURVE_GAP,
    CURVE_SPLIT,
    CURVE_COUNT,
};

struct calibration {
    struct dray_profile profile; /* what could not be measured keeps its value */
    struct curve curves[CURVE_COUNT];
    double others; /* processors that other programs took meanwhile, on the average */
    char skipped[CALIBRATION_WHY_SIZE]; /* what could not be measured, and why; may be empty */
};

/** Called before each step, and once with step == steps at the end. */
typedef void calibration_progress_fn(unsigned step, unsigned steps, const char *what);

/**
 * Measures; takes some seconds, or moments with `quick` (for tests: the figures mean little).
 * `calibration->profile` must hold the values to start from. Returns 0, or -1 with the reason in
 * `why` (CALIBRATION_WHY_SIZE bytes) when an engine could not be used at all.
 */
int calibration_measure(struct calibration *calibration, bool quick,
                        calibration_progress_fn *progress, char *why);

/** First touch and pinning of a page. Sets what can be measured, says what cannot. */
void calibration_measure_pages(struct calibration *calibration);

/** One operation on a cached file, and its bandwidth; `buffer` holds `size` bytes. */
void calibration_measure_file(struct calibration *calibration, void *buffer, size_t size);

/**
 * Where non-temporal stores pay for one copy, pieces of a list and transpositions, with the kernels of this
 * processor; the buffers hold `size` bytes each, and dst is overwritten.
 */
void calibration_measure_streams(struct calibration *calibration, void *dst, const void *src,
                                 size_t size, bool quick);

/** What series 1 must be better than series 0 by, on the average, to be worth taking. */
#define CALIBRATION_GAIN_MIN 1.05

/**
 * From which x on series 1 is to be taken: where the gains from there on, as logarithms and less
 * CALIBRATION_GAIN_MIN each, have the greatest sum. A single point that was disturbed moves that little,
 * unlike the last crossing. 0: nowhere.
 */
double calibration_cut(const struct curve *curve);

/** Processor time that all programs have used so far, and that this one has, in seconds. */
struct calibration_load {
    double all, own, wall;
};

/** Returns false where the system does not tell. */
bool calibration_load_now(struct calibration_load *load);

/** How many processors' worth of time others took between two moments; 0 where that is too short to tell. */
double calibration_others(const struct calibration_load *from, const struct calibration_load *to);

/** Adds to what was skipped. */
void calibration_skip(struct calibration *calibration, const char *what, const char *why);

/** Writes all curves as one SVG picture, whole with its own fonts and colours. */
void calibration_draw(const struct calibration *calibration, FILE *out);

#endif
