"""The rows of the ledger, and how a notebook compares its own number with a row."""

from __future__ import annotations

import html
import statistics
from dataclasses import dataclass
from functools import partial

from course_utils.claims import convolution_experiments as convolution
from course_utils.claims import denoising_experiments as denoising
from course_utils.claims import experiments as run
from course_utils.claims import generation_experiments as generation
from course_utils.claims import image_experiments as images
from course_utils.claims import pretraining_experiments as pretraining
from course_utils.claims import text_experiments as texts
from course_utils.claims.measuring import Claim, Result, half_width_95, judge, load_results
from course_utils.data import differing_data
from course_utils.settings import settings

HS06 = "Hinton & Salakhutdinov, Science 313:504 (2006), Fig. 2B"
SAME_RUN = "measured in the same run"
SSE = "SSE per image"
ERROR, CHECKERBOARD = "test error, %", "% of the variance"
PSNR, ACCEPTED = "dB", "% accepted by the critic"
P10, P100 = "precision at 10", "precision at 100"

# `reproduced` leaves out what holds by so little that a notebook's single seed may contradict it.
_ROWS = [
    Claim(
        id="halves-train-together", system="S1",
        sentence="Neither half can be trained alone: encoder and decoder must be learnt together.",
        quantity="test error with a random, frozen encoder, against both trained", unit=SSE,
        relation=">", source=SAME_RUN, measure=run.halves_train_together, reproduced=("quick", "full"),
    ),
    Claim(
        id="pca30-mnist-sse", system="S2",
        sentence="PCA to 30 numbers restores MNIST with the published error.",
        quantity="test error of PCA-30, fitted on 60,000, centred, not clipped", unit=SSE,
        relation="≈", reference=13.87, tolerance=0.01, source=HS06, measure=run.pca30_mnist_sse,
        only_on="full", seeded=False, reproduced=("full",),
    ),
    Claim(
        id="linear-ae-is-pca", system="S2",
        sentence="PCA is a linear auto-encoder: training finds the subspace of the leading components.",
        quantity="largest principal angle between the two 10-D subspaces", unit="degrees",
        relation="<", reference=5.0, source="this course's bound; two random subspaces: 89°",
        measure=run.linear_angle, reproduced=("quick", "full"),
    ),
    Claim(
        id="linear-ae-sse", system="S2",
        sentence="The linear auto-encoder's error is PCA's.",
        quantity="test error above PCA-10's", unit="% of PCA-10's SSE",
        relation="<", reference=1.0, source="this course's bound", measure=run.linear_sse, reproduced=("quick", "full"),
    ),
    Claim(
        id="linear-ae-not-axes", system="S2",
        sentence="The linear auto-encoder finds PCA's subspace, not its axes.",
        quantity="angle between any of its axes and the nearest principal axis, the smallest of ten", unit="degrees",
        relation=">", reference=5.0, source="this course's bound",
        measure=run.linear_axes, reproduced=("quick", "full"),
    ),
    Claim(
        id="centring-matters", system="S2",
        sentence="The mean must be subtracted first.",
        quantity="test error of the linear auto-encoder without centring, against with it", unit=SSE,
        relation=">", source=SAME_RUN, measure=run.centring, reproduced=("quick", "full"),
    ),
    Claim(
        id="deep-beats-pca", system="S5",
        sentence="At 30 numbers, the deep auto-encoder restores digits better than PCA.",
        quantity="test error of 784-1000-500-250-30, against PCA-30", unit=SSE,
        relation="<", source=SAME_RUN, measure=run.deep_against_pca, reproduced=("quick", "full"),
    ),
    Claim(
        id="deep30-mnist-sse", system="S3",
        sentence="784-1000-500-250-30 reaches the published error (by RBM pre-training and more).",
        quantity="test error after 30 epochs of Adam", unit=SSE,
        relation="≈", reference=3.00, tolerance=0.1, source=HS06, measure=run.deep_against_published, only_on="full",
    ),
    Claim(
        id="deep-beats-pca-all-sizes", system="S5",
        sentence="Deep is better than PCA at every code size from 2 to 64.",
        quantity="largest ratio of test errors, deep / PCA, over the code sizes", unit="ratio",
        relation="<", reference=1.0, source="equal errors", measure=run.deep_against_pca_all_sizes,
        reproduced=("full",),
    ),
    Claim(
        id="start-decides", system="S3",
        sentence="A deep auto-encoder needs good starting values.",
        quantity="test error from torch's default start, against He's, after the same few epochs", unit=SSE,
        relation=">", source=SAME_RUN, measure=run.start_decides, reproduced=("quick", "full"),
    ),
    Claim(
        id="tied-halves-weights", system="S4",
        sentence="Tied weights halve the number of parameters.",
        quantity="parameters of the tied net, of the free net's", unit="%",
        relation="≈", reference=50.0, tolerance=0.5, source="the biases are not shared",
        measure=run.tied_parameters, seeded=False, reproduced=("quick", "full"),
    ),
    Claim(
        id="tied-narrows-gap", system="S4",
        sentence="Tied weights over-fit less.",
        quantity="test error − training error of the tied net, against the free net's", unit=SSE,
        relation="<", source=SAME_RUN, measure=run.tied_gap, reproduced=("quick", "full"),
    ),
    Claim(
        id="tied-lowers-test-error", system="S4",
        sentence="Tied weights restore unseen digits better.",
        quantity="test error of the tied net, against the free net's", unit=SSE,
        relation="<", source=SAME_RUN, measure=run.tied_test_error,
    ),
    Claim(
        id="cosine-beats-inner", system="S6",
        sentence="Documents are ranked by their inner product with the query, or by the cosine; the cosine finds more.",
        quantity="counts of words, cosine against inner product", unit=P10,
        relation=">", source=SAME_RUN, measure=texts.cosine_against_inner_product, seeded=False,
        reproduced=("quick", "full"),
    ),
    Claim(
        id="tfidf-beats-binary", system="S7",
        sentence="Weighing the words (tf-idf) finds more than 0/1.",
        quantity="tf-idf against 0/1, cosine", unit=P10,
        relation=">", source=SAME_RUN, measure=texts.tfidf_against_binary, seeded=False, reproduced=("full",),
    ),
    Claim(
        id="code-finds-without-a-word", system="S7",
        sentence="Words alone cannot relate a document to a query that shares no word with it; a code can.",
        quantity="short queries, documents without a common word: does code-10 put the right ones first?",
        unit="area under the ROC curve", relation=">", reference=0.5, source="any similarity of words: all are 0",
        measure=texts.without_a_shared_word, reproduced=("quick", "full"),
    ),
    Claim(
        id="code2-map-beats-lsa2", system="S8",
        sentence="On the map of two numbers the topics lie apart, as they do not on LSA's.",
        quantity="the ten nearest on the map, code-2 against LSA-2", unit=P10,
        relation=">", source=SAME_RUN, measure=texts.map_against_lsa, reproduced=("quick", "full"),
    ),
    Claim(
        id="softmax-beats-squared", system="S8",
        sentence="A softmax over the words is the right output for counts; squared error is not.",
        quantity="code-2 trained by cross-entropy, against squared error", unit=P100,
        relation=">", source=SAME_RUN, measure=texts.softmax_against_squared_error, reproduced=("full",),
    ),
    Claim(
        id="code2-beats-lsa2", system="S9",
        sentence="Retrieval by a code of two numbers is much better than by LSA.",
        quantity="code-2 against LSA-2", unit=P100,
        relation=">", source=SAME_RUN, measure=texts.code2_against_lsa2, reproduced=("quick", "full"),
    ),
    Claim(
        id="code10-beats-lsa10", system="S9",
        sentence="Retrieval by a code of ten numbers is better than by LSA of the same size.",
        quantity="code-10 against LSA-10", unit=P100,
        relation=">", source=SAME_RUN, measure=texts.code10_against_lsa10, reproduced=("quick", "full"),
    ),
    Claim(
        id="code10-beats-best-lsa", system="S9",
        sentence="Retrieval by a code of ten numbers is better than by LSA of any size.",
        quantity="code-10 against LSA at its best size, 2 to 200, chosen on the queries", unit=P100,
        relation=">", source=SAME_RUN, measure=texts.code10_against_best_lsa, reproduced=("full",),
    ),
    Claim(
        id="code10-beats-words", system="S9",
        sentence="Ten numbers find more than all the words, at the top of the list.",
        quantity="code-10 against the bag of words that is best on the queries", unit=P10,
        relation=">", source=SAME_RUN, measure=texts.code10_against_words, reproduced=("full",),
    ),
    Claim(
        id="code10-beats-lsa10-sentence", system="S9",
        sentence="With a query of one sentence, too, the code finds more than LSA.",
        quantity="queries of one sentence, 12 words at most, code-10 against LSA-10", unit=P100,
        relation=">", source=SAME_RUN, measure=texts.code10_against_lsa10_on_sentences, reproduced=("full",),
    ),
    Claim(
        id="pixel-neighbours-wrong", system="S10",
        sentence="The nearest images by pixels are often wrong.",
        quantity="wrong digits among the ten nearest by pixels", unit="share",
        relation=">", reference=0.5, source="this course's reading of “often”",
        measure=images.pixel_neighbours_wrong, seeded=False,
    ),
    Claim(
        id="pixels-fail-when-shifted", system="S10",
        sentence="Pixels fail where the same digit lies a little elsewhere.",
        quantity="pixels, queries shifted by up to 3 pixels, against clean ones", unit=P10,
        relation="<", source=SAME_RUN, measure=images.pixels_on_shifted, seeded=False, reproduced=("quick", "full"),
    ),
    Claim(
        id="conv30-beats-pca30", system="S11",
        sentence="A convolutional encoder to 30 numbers keeps more of the image than PCA.",
        quantity="test error of the convolutional net, against PCA-30", unit=SSE,
        relation="<", source=SAME_RUN, measure=images.convolutional_restores, reproduced=("full",),
    ),
    Claim(
        id="code-beats-pixels", system="S12",
        sentence="Searching by code is better than by pixels.",
        quantity="deep code of 30 numbers, against pixels", unit=P10,
        relation=">", source=SAME_RUN, measure=images.code_against_pixels,
    ),
    Claim(
        id="conv-code-beats-pixels", system="S12",
        sentence="Searching by a convolutional code is better than by pixels.",
        quantity="convolutional code of 30 numbers, against pixels", unit=P10,
        relation=">", source=SAME_RUN, measure=images.convolutional_against_pixels,
    ),
    Claim(
        id="code-beats-pixels-shifted", system="S12",
        sentence="Searching by code is better than by pixels where the query is shifted.",
        quantity="deep code, shifted queries, against pixels", unit=P10,
        relation=">", source=SAME_RUN, measure=images.code_against_pixels_shifted, reproduced=("full",),
    ),
    Claim(
        id="conv-code-beats-pixels-shifted", system="S12",
        sentence="Convolution makes the code robust to shifts.",
        quantity="convolutional code, shifted queries, against pixels", unit=P10,
        relation=">", source=SAME_RUN, measure=images.convolutional_against_pixels_shifted,
        reproduced=("quick", "full"),
    ),
    Claim(
        id="shift-trained-beats-pixels", system="S12",
        sentence="A code that was trained to ignore shifts finds shifted digits where pixels do not.",
        quantity="deep code, trained on shifted images, shifted queries, against pixels", unit=P10,
        relation=">", source=SAME_RUN, measure=images.shift_trained_against_pixels_shifted,
        reproduced=("quick", "full"),
    ),
    Claim(
        id="bits-find-as-numbers", system="S12",
        sentence="64 bits find as well as 30 numbers (semantic hashing).",
        quantity="64-bit code by Hamming distance, against the deep code of 30 numbers", unit=P10,
        relation="≈", tolerance=0.05, source=SAME_RUN, measure=images.bits_against_numbers,
        reproduced=("quick", "full"),
    ),
    Claim(
        id="code-beats-pixels-colour", system="S12",
        sentence="On colour pictures, too, searching by code is better than by pixels.",
        quantity="convolutional code of 30 numbers, against pixels", unit=P10,
        relation=">", source=SAME_RUN, measure=images.code_against_pixels_colour, reproduced=("quick", "full"),
    ),
    Claim(
        id="code-beats-pixels-fashion", system="S12",
        sentence="On clothes, too, searching by code is better than by pixels.",
        quantity="convolutional code of 30 numbers, against pixels, on Fashion-MNIST", unit=P10,
        relation=">", source=SAME_RUN, measure=images.code_against_pixels_fashion, only_on="full",
    ),
    Claim(
        id="wide-layer-copies", system="S13",
        sentence="A layer wider than its input can copy it; hiding half of the input makes it copy less.",
        quantity="784-1000-784: dependence of a restored pixel on the same pixel, plain against de-noising",
        unit="% of the squared derivatives", relation=">", source=SAME_RUN, measure=pretraining.copying,
        reproduced=("quick", "full"),
    ),
    Claim(
        id="fine-tuning-beats-frozen", system="S13",
        sentence="After the pre-training, back-propagation tunes all layers (fine-tuning).",
        quantity="1,000 labels, de-noising stack: all layers tuned, against the head alone", unit=ERROR,
        relation="<", source=SAME_RUN, measure=pretraining.frozen_against_fine_tuned, reproduced=("quick",),
    ),
    Claim(
        id="pretraining-rescues-sigmoids", system="S14",
        sentence="A deep net of sigmoids, small random weights and gradient descent needs pre-training.",
        quantity="100 labels, 300 steps: test error from a random start − after plain pre-training", unit="points",
        relation=">", reference=10.0, source="this course's bound", measure=pretraining.sigmoid_gain,
    ),
    Claim(
        id="plain-pretraining-helps-relus", system="S14",
        sentence="With few labels pre-training still helps today's net (ReLU, He, Adam): plain stages.",
        quantity="100 labels: plain pre-training, against a random start", unit=ERROR,
        relation="<", source=SAME_RUN, measure=pretraining.plain_gain,
    ),
    Claim(
        id="denoising-pretraining-helps-relus", system="S14",
        sentence="With few labels pre-training still helps today's net: de-noising stages.",
        quantity="100 labels: test error from a random start − after de-noising pre-training", unit="points",
        relation=">", reference=2.0, source="this course's bound", measure=pretraining.denoising_gain,
    ),
    Claim(
        id="denoising-beats-plain-stages", system="S14",
        sentence="De-noising stages help more than plain ones.",
        quantity="100 labels: de-noising pre-training, against plain", unit=ERROR,
        relation="<", source=SAME_RUN, measure=pretraining.denoising_against_plain,
    ),
    Claim(
        id="denoising-beats-equal-compute", system="S14",
        sentence="It is the unlabelled data that help, not the additional training.",
        quantity="100 labels: de-noising pre-training, against as many multiplications spent on the labels", unit=ERROR,
        relation="<", source=SAME_RUN, measure=pretraining.denoising_against_equal_compute,
    ),
    Claim(
        id="not-needed-with-all-labels", system="S14",
        sentence="Today, with labels for all, pre-training is hardly needed.",
        quantity="all labels: test error from a random start − after de-noising pre-training", unit="points",
        relation="≈", reference=0.0, tolerance=0.5, source="no difference", measure=pretraining.gain_with_all_labels,
        reproduced=("quick", "full"),
    ),
    Claim(
        id="mnist-error-random-start", system="S14",
        sentence="784-1000-1000-500-10 needs no pre-training for a low error.",
        quantity="test error with 60,000 labels, from a random start", unit=ERROR,
        relation="<", reference=1.4, source="best reported in 2006: 1.6 from a random start, 1.2 pre-trained",
        measure=partial(pretraining.lowest_error, "no"), only_on="full",
    ),
    Claim(
        id="mnist-error-pretrained", system="S14",
        sentence="784-1000-1000-500-10 has a low error after pre-training.",
        quantity="test error with 60,000 labels, de-noising pre-training", unit=ERROR,
        relation="<", reference=1.4, source="best reported in 2006: 1.6 from a random start, 1.2 pre-trained",
        measure=partial(pretraining.lowest_error, "de-noising"), only_on="full", reproduced=("full",),
    ),
    Claim(
        id="basic-plain-stages", system="S14",
        sentence="With 10,000 training images, three plain stages have the published error.",
        quantity="test error with 10,000 training images, plain pre-training on the same", unit=ERROR,
        relation="<", reference=3.46, source="Vincent et al., JMLR 11 (2010), SAE-3 on “basic”",
        measure=partial(pretraining.basic_like, "plain"), only_on="full", reproduced=("full",),
    ),
    Claim(
        id="basic-denoising-stages", system="S14",
        sentence="With 10,000 training images, three de-noising stages have the published error.",
        quantity="test error with 10,000 training images, de-noising pre-training on the same", unit=ERROR,
        relation="<", reference=2.84, source="Vincent et al., JMLR 11 (2010), SDAE-3 on “basic”",
        measure=partial(pretraining.basic_like, "de-noising"), only_on="full",
    ),
    Claim(
        id="conv-beats-dense", system="S15",
        sentence="At an equal code size the CNN auto-encoder restores better than the dense one.",
        quantity="code of 30: CNN, against 784-1000-500-250-30", unit=SSE,
        relation="<", source=SAME_RUN, measure=convolution.conv_against_dense,
    ),
    Claim(
        id="conv-beats-dense-of-its-size", system="S15",
        sentence="At an equal code size and number of parameters the CNN auto-encoder restores better.",
        quantity="code of 30: CNN, against a dense net with as many parameters", unit=SSE,
        relation="<", source=SAME_RUN, measure=convolution.conv_against_dense_of_its_size, reproduced=("quick", "full"),
    ),
    Claim(
        id="transposed-beats-repeat", system="S15",
        sentence="Going up by deconvolution restores better than repeating and convolving.",
        quantity="code of 30: transposed convolutions, against repeating and convolving", unit=SSE,
        relation="<", source=SAME_RUN, measure=convolution.transposed_against_repeat,
    ),
    Claim(
        id="positions-outweigh-the-code", system="S16",
        sentence="The positions are a side channel: they hold more than the code.",
        quantity="bits of the positions of one image, against 30 numbers of 32 bits", unit="bits",
        relation=">", source="30 × 32 bits", measure=convolution.bits_of_positions, seeded=False,
        reproduced=("quick", "full"),
    ),
    Claim(
        id="positions-lower-the-error", system="S16",
        sentence="Unpooling with positions restores better than repeating the values.",
        quantity="code of 30: unpooling with positions, against repeating", unit=SSE,
        relation="<", source=SAME_RUN, measure=convolution.positions_against_repeat, reproduced=("quick", "full"),
    ),
    Claim(
        id="swapped-positions-hurt", system="S16",
        sentence="With another image's positions the decoder fails.",
        quantity="positions of another image, against the right ones", unit=SSE,
        relation=">", source=SAME_RUN, measure=convolution.swapped_positions, reproduced=("quick", "full"),
    ),
    Claim(
        id="shuffled-positions-hurt", system="S16",
        sentence="With positions at random the decoder fails: it cannot generate.",
        quantity="shuffled positions, against the right ones", unit=SSE,
        relation=">", source=SAME_RUN, measure=convolution.shuffled_positions, reproduced=("quick", "full"),
    ),
    Claim(
        id="positions-beat-the-code", system="S16",
        sentence="In a net with positions, they carry more of the image than the code does.",
        quantity="right positions with an average code, against the right code with positions at random",
        unit=SSE, relation="<", source=SAME_RUN, measure=convolution.positions_without_code,
        reproduced=("quick", "full"),
    ),
    Claim(
        id="deconvolution-is-convolution", system="S17",
        sentence="Deconvolution is convolution: pad with zeros, and convolve with the kernel reversed.",
        quantity="largest difference to overlapping sums, and to torch's, in 200 random settings", unit="millionths",
        relation="<", reference=100.0, source="the rounding of float32",
        measure=convolution.deconvolution_against_convolution, reproduced=("quick", "full"),
    ),
    Claim(
        id="deconvolution-is-the-transpose", system="S17",
        sentence="Deconvolution is the transpose of convolution: <conv(x), y> = <x, deconv(y)>.",
        quantity="largest difference of the two, 100 random x and y", unit="10⁻¹² of |conv(x)|·|y|",
        relation="<", reference=1.0, source="the rounding of float64", measure=convolution.transpose_identity,
        reproduced=("quick", "full"),
    ),
    Claim(
        id="deconvolution-is-no-inverse", system="S17",
        sentence="Deconvolution does not undo the convolution.",
        quantity="digits, missed by deconv(conv(x)) at its best scale, random 3×3 kernels", unit="% of the squares",
        relation=">", reference=1.0, source="an inverse: 0", measure=convolution.not_the_inverse,
        reproduced=("quick", "full"),
    ),
    Claim(
        id="checkerboard-at-start", system="S17",
        sentence="A transposed convolution whose stride does not divide its kernel starts with a checkerboard.",
        quantity="enlarged digits, untrained: transposed 3×3, against repeat and convolve", unit=CHECKERBOARD,
        relation=">", source=SAME_RUN, measure=convolution.checkerboard_at_start, reproduced=("quick", "full"),
    ),
    Claim(
        id="checkerboard-after-training", system="S17",
        sentence="The checkerboard stays after training.",
        quantity="enlarged digits, trained: transposed 3×3, against the digits themselves", unit=CHECKERBOARD,
        relation=">", source=SAME_RUN, measure=convolution.checkerboard_after_training,
    ),
    Claim(
        id="denoiser-beats-filters", system="S18",
        sentence="A de-noising auto-encoder removes noise from images it has not seen, better than a classical filter.",
        quantity="Gaussian noise of 0.5, clipped: PSNR of 784-1000-784 − of the best of four tuned filters", unit=PSNR,
        relation=">", reference=2.0, source="this course's bound", measure=denoising.gain_over_filters,
        reproduced=("quick", "full"),
    ),
    Claim(
        id="clean-target-matters", system="S18",
        sentence="The target is the clean image, not the noisy one.",
        quantity="PSNR, trained to restore the clean image, against the noisy one", unit=PSNR,
        relation=">", source=SAME_RUN, measure=denoising.clean_target, reproduced=("quick", "full"),
    ),
    Claim(
        id="fresh-noise-matters", system="S18",
        sentence="The noise must be drawn anew at every step.",
        quantity="PSNR, fresh noise against noise drawn once", unit=PSNR,
        relation=">", source=SAME_RUN, measure=denoising.fresh_noise, reproduced=("quick", "full"),
    ),
    Claim(
        id="clean-validation-misleads", system="S18",
        sentence="Validated without noise, the wrong net looks better.",
        quantity="PSNR on clean images: trained without noise, against the de-noiser", unit=PSNR,
        relation=">", source=SAME_RUN, measure=denoising.clean_validation, reproduced=("quick", "full"),
    ),
    Claim(
        id="clipping-matters", system="S18",
        sentence="Clipping changes the noise: train on what will be met.",
        quantity="PSNR on clipped noise: trained on clipped noise, against noise that is not clipped", unit=PSNR,
        relation=">", source=SAME_RUN, measure=denoising.forgotten_clipping, reproduced=("quick", "full"),
    ),
    Claim(
        id="noisy-targets-will-do", system="S18",
        sentence="No clean image is needed: other noise on the target averages out, where its mean is 0.",
        quantity="PSNR lost by targets with noise of their own, not clipped, against clean targets", unit=PSNR,
        relation="<", reference=1.0, source="this course's bound; Lehtinen et al., ICML 2018, for the idea",
        measure=denoising.other_noise_as_target, reproduced=("quick", "full"),
    ),
    Claim(
        id="matched-noise-is-best", system="S18",
        sentence="A de-noiser removes the kind of noise it was trained on.",
        quantity="PSNR on the kind of noise trained on, against the two other kinds, mean of three", unit=PSNR,
        relation=">", source=SAME_RUN, measure=denoising.matched_noise, reproduced=("quick", "full"),
    ),
    Claim(
        id="one-net-for-all-noises", system="S18",
        sentence="One net can learn several kinds of noise.",
        quantity="PSNR that one net for three kinds of noise loses to three nets", unit=PSNR,
        relation="<", reference=1.0, source="this course's bound", measure=denoising.one_for_all,
        reproduced=("quick", "full"),
    ),
    Claim(
        id="denoising-code-is-robust", system="S18",
        sentence="De-noising makes the code robust: a digit is recognised from it in spite of noise.",
        quantity="linear classifier on a code of 30, noisy images: de-noising, against plain", unit="% right",
        relation=">", source=SAME_RUN, measure=denoising.code_on_noisy, reproduced=("full",),
    ),
    Claim(
        id="denoising-code-is-better", system="S18",
        sentence="De-noising makes a better code, even for clean images.",
        quantity="linear classifier on a code of 30, clean images: de-noising, against plain", unit="% right",
        relation=">", source=SAME_RUN, measure=denoising.code_on_clean,
    ),
    Claim(
        id="random-codes-give-digits", system="S19",
        sentence="Keep the decoder, feed it a random code, and an image comes out that looks like a digit.",
        quantity="code of 10 from N(0, 1), plain decoder", unit=ACCEPTED,
        relation=">", reference=50.0, source="this course's reading: more often than not",
        measure=generation.random_codes,
    ),
    Claim(
        id="codes-are-wider-than-normal", system="S19",
        sentence="A plain auto-encoder's codes are not from N(0, 1).",
        quantity="standard deviation of the codes of the training images", unit="unit of the code",
        relation=">", reference=1.0, source="N(0, 1) has 1", measure=generation.length_of_codes,
        reproduced=("quick", "full"),
    ),
    Claim(
        id="random-codes-drift", system="S19",
        sentence="Random codes lie in holes: the encoder does not find its way back to them.",
        quantity="|encode(decode(z)) − z|: z from N(0, 1), against codes of unseen digits", unit="% of |z|",
        relation=">", source=SAME_RUN, measure=generation.drift_of_random_codes, reproduced=("quick", "full"),
    ),
    Claim(
        id="fitted-gaussian-beats-normal", system="S19",
        sentence="Codes drawn from a Gaussian fitted to the codes give more digits than N(0, 1).",
        quantity="plain decoder: fitted Gaussian, against N(0, 1)", unit=ACCEPTED,
        relation=">", source=SAME_RUN,
        measure=partial(generation.against, "plain, fitted Gaussian", "plain, N(0, 1)"), reproduced=("quick", "full"),
    ),
    Claim(
        id="mixture-beats-gaussian", system="S19",
        sentence="The codes have clusters: a mixture of ten Gaussians gives more digits than one.",
        quantity="plain decoder: fitted mixture, against fitted Gaussian", unit=ACCEPTED,
        relation=">", source=SAME_RUN,
        measure=partial(generation.against, "plain, fitted mixture", "plain, fitted Gaussian"),
        reproduced=("quick", "full"),
    ),
    Claim(
        id="penalty-beats-plain", system="S19",
        sentence="A penalty on the code's length closes the holes: random codes give digits.",
        quantity="codes from N(0, 1): penalised, against plain", unit=ACCEPTED,
        relation=">", source=SAME_RUN, measure=partial(generation.against, "penalised, N(0, 1)", "plain, N(0, 1)"),
        reproduced=("quick", "full"),
    ),
    Claim(
        id="plain-classifier-is-fooled", system="S19",
        sentence="A classifier that knows only digits cannot say what is none.",
        quantity="means of six digits: a plain classifier as sure as of real ones, against the critic's",
        unit="% accepted", relation=">", source=SAME_RUN, measure=generation.sure_of_the_mean,
        reproduced=("quick", "full"),
    ),
    Claim(
        id="squared-error-blurs", system="S19",
        sentence="Squared error blurs.",
        quantity="ink that is grey: restored unseen digits, against the digits", unit="% of the ink",
        relation=">", source=SAME_RUN, measure=generation.blur, reproduced=("quick", "full"),
    ),
    Claim(
        id="a-pixel-costs-more-than-half", system="S19",
        sentence="Squared error is no distance between pictures: a pixel to the side costs more than half a digit.",
        quantity="moved by one pixel down and right, against the lower half blanked", unit=SSE,
        relation=">", source=SAME_RUN, measure=generation.shifted_error, seeded=False, reproduced=("quick", "full"),
    ),
    Claim(
        id="vae-beats-normal", system="S20",
        sentence="The variational auto-encoder can be sampled from N(0, 1), where the plain one cannot.",
        quantity="codes from N(0, 1): variational, against plain", unit=ACCEPTED,
        relation=">", source=SAME_RUN, measure=partial(generation.against, "variational, N(0, 1)", "plain, N(0, 1)"),
        reproduced=("quick", "full"),
    ),
    Claim(
        id="vae-beats-penalty", system="S20",
        sentence="The variational auto-encoder gives more digits than the penalised one.",
        quantity="codes from N(0, 1): variational, against penalised", unit=ACCEPTED,
        relation=">", source=SAME_RUN,
        measure=partial(generation.against, "variational, N(0, 1)", "penalised, N(0, 1)"),
    ),
    Claim(
        id="vae-beats-fitted-gaussian", system="S20",
        sentence="The variational auto-encoder gives more digits than a Gaussian fitted to a plain one's codes.",
        quantity="variational, N(0, 1), against plain, fitted Gaussian", unit=ACCEPTED,
        relation=">", source=SAME_RUN,
        measure=partial(generation.against, "variational, N(0, 1)", "plain, fitted Gaussian"),
    ),
    Claim(
        id="samples-are-no-copies", system="S20",
        sentence="New images are new: no copies of training images.",
        quantity="squared error to the nearest training image: new images, against restored training images",
        unit=SSE, relation=">", source=SAME_RUN, measure=generation.copies, reproduced=("quick", "full"),
    ),
    Claim(
        id="kl-collapse", system="S20",
        sentence="With too large a KL weight the code is not used at all (posterior collapse).",
        quantity="KL weight 100: numbers of ten that tell 0.01 nats or more", unit="numbers",
        relation="≈", reference=0.0, tolerance=0.5, source="collapse: none", measure=generation.collapse,
        reproduced=("quick", "full"),
    ),
    Claim(
        id="kl-weight-trade", system="S20",
        sentence="A larger KL weight restores worse.",
        quantity="reconstruction: KL weight 10, against 1", unit="nats per image",
        relation=">", source=SAME_RUN, measure=generation.weight_trade, reproduced=("quick", "full"),
    ),
    Claim(
        id="vae-elbo", system="S20",
        sentence="784-400-20 reaches the published bound.",
        quantity="test reconstruction + KL (negative ELBO), 10 epochs", unit="nats per image",
        relation="≈", reference=105.6, tolerance=1.0, source="PyTorch's example vae, 10 epochs: 105.6 in two logs",
        measure=generation.elbo_of_784_400_20, only_on="full", reproduced=("full",),
    ),
]  # fmt: skip
CLAIMS: dict[str, Claim] = {row.id: row for row in _ROWS}


class ClaimBroken(AssertionError):
    """A claim that the ledger records as reproduced no longer is."""


@dataclass(frozen=True)
class Finding:
    """A notebook's own number beside the ledger's row; shows itself as a table."""

    row: Claim
    value: float
    reference: float
    verdict: str
    reason: str

    def __repr__(self) -> str:
        number = f"{_number(self.value)} {self.row.relation} {_number(self.reference)} {self.row.unit}"
        return f"{self.row.id}: {number} → {self.verdict} ({self.reason})"

    def _repr_html_(self) -> str:
        return claims_table(self)._repr_html_()


class ClaimsTable:
    """An HTML table in a notebook, lines of text elsewhere."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        self.findings, self.stored = findings, load_results()

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.findings))

    def _repr_html_(self) -> str:
        head = ("the chapter says", "measured as", "in this notebook", "quick, several seeds", "full, several seeds")
        rows = "".join(self._row(f) for f in self.findings)
        return (
            '<table style="text-align:left"><thead><tr>'
            + "".join(f'<th style="text-align:left">{h}</th>' for h in head)
            + f"</tr></thead><tbody>{rows}</tbody></table>"
        )

    def _row(self, finding: Finding) -> str:
        row = finding.row
        cells = [
            f"{html.escape(row.sentence)} <small>({row.system}, <code>{row.id}</code>)</small>",
            f"{html.escape(row.quantity)}, {row.unit}",
            f"{_number(finding.value)} {html.escape(row.relation)} {_number(finding.reference)}<br>"
            f"{_mark(finding.verdict)}",
            *(self._stored_cell(row.id, profile) for profile in ("quick", "full")),
        ]
        return "<tr>" + "".join(f'<td style="text-align:left">{cell}</td>' for cell in cells) + "</tr>"

    def _stored_cell(self, id: str, profile: str) -> str:
        result = self.stored.get((id, profile))
        return "not measured yet" if result is None else f"{_summary(result)}<br>{_mark(result.verdict)}"


def claim(id: str, value: float, *, reference: float | None = None) -> Finding:
    """A notebook's measurement, judged as the ledger's row says.

    reference: the baseline's value where the row measures its own. Raises KeyError for an unknown id, ValueError for a
    missing reference, and ClaimBroken if the ledger records the claim as reproduced in this profile and the value
    contradicts it (not where the data are known to be others than the ledger's: `data.differing_data`).
    """
    if id not in CLAIMS:
        raise KeyError(f"There is no claim {id!r}. There are: {', '.join(CLAIMS)}.")
    row, profile = CLAIMS[id], settings().profile
    reference = row.reference if reference is None else float(reference)
    if reference is None:
        raise ValueError(f"{id} is compared with a baseline of the same run: claim({id!r}, value, reference=…).")
    verdict, reason = judge(row, [float(value)], [reference], profile)
    finding = Finding(row, float(value), reference, verdict, reason)
    # On other documents or digits than those of the ledger, a claim may fail without anything being wrong.
    if profile in row.reproduced and verdict != "holds" and not differing_data():
        raise ClaimBroken(f"{finding!r}; the ledger records it as reproduced. What changed?")
    return finding


def claims_table(*findings: Finding) -> ClaimsTable:
    """Findings as one table, beside what `make claims` measured over several seeds."""
    return ClaimsTable(findings)


def series(id: str, profile: str) -> dict[str, tuple[list[float], list[float]]]:
    """The stored figure of a claim: column → (mean over seeds, half of its 95 % interval); KeyError if not measured."""
    stored = load_results()
    if (id, profile) not in stored:
        raise KeyError(f"{id} is not measured in the {profile} profile; `make claims PROFILE={profile}` does it.")
    return {
        name: (
            [statistics.fmean(column) for column in zip(*rows, strict=True)],
            [half_width_95(column) for column in zip(*rows, strict=True)],
        )
        for name, rows in stored[id, profile].series.items()
    }


def _summary(result: Result) -> str:
    if result.value is None:
        return "no value"
    spread = f" ± {_number(result.sd)}" if len(result.seeds) > 1 else ""
    seeds = f"{len(result.seeds)} seeds" if len(result.seeds) > 1 else "no seed enters"
    relation = html.escape(result.relation)
    return f"{_number(result.value)}{spread} {relation} {_number(result.reference)} <small>({seeds})</small>"


def _mark(verdict: str) -> str:
    return {"holds": "✓ <b>holds</b>", "fails here": "✗ <b>fails here</b>"}.get(verdict, f"– {verdict}")


def _number(value: float | None) -> str:
    """Three digits are what the seeds allow; `%g` would write 1e+02."""
    if value is None:
        return "–"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 20 else f"{value:.2f}"
